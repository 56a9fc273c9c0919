// The names of figures, each a button that opens its explanation. One popover serves them all.

import { byId, element, setText } from "./dom.js";
import { explanations } from "./explanations.js";

/** A button with the name of a figure; pressed, it says what the figure means. */
export function term(id, name = explanations[id][0]) {
  return element("button", { type: "button", class: "term", "data-explain": id, "aria-haspopup": "dialog" }, name);
}

/** Makes every button with `data-explain` work, those of the document's own text too. */
export function followTerms() {
  const box = byId("explanation");
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-explain]");
    if (!button) return;
    const [title, text, metric] = explanations[button.dataset.explain];
    setText(byId("explanation-title"), title);
    setText(byId("explanation-text"), text);
    byId("explanation-metric").hidden = !metric;
    setText(byId("explanation-name"), metric ?? "");
    if (box.matches(":popover-open")) box.hidePopover();
    box.showPopover();
    place(box, button.getBoundingClientRect());
    box.openedBy = button;
    box.focus();
  });
  box.addEventListener("toggle", (event) => {
    // Whoever closed it by the keyboard goes on where they were.
    if (event.newState === "closed" && (document.activeElement === box || document.activeElement === document.body)) {
      box.openedBy?.focus({ preventScroll: true });
    }
  });
}

function place(box, beside) {
  const margin = 8;
  const width = box.offsetWidth;
  const height = box.offsetHeight;
  const left = Math.max(margin, Math.min(beside.left, innerWidth - width - margin));
  const below = beside.bottom + margin;
  const top = below + height + margin > innerHeight ? Math.max(margin, beside.top - height - margin) : below;
  box.style.left = `${left}px`;
  box.style.top = `${top}px`;
}
