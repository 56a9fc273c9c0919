// The page without a mouse.

import { byId, element } from "./dom.js";

const sections = ["verdict", "traffic", "services", "backends", "drops", "events", "sources", "tunnels", "ledger"];

const keys = [
  ["/", "filter the backends"],
  ["Esc", "empty the filter, close what is open"],
  ["1 to 9", "go to what is wrong, traffic, services, backends, drops, events, sources, tunnels, the ledger"],
  ["0", "go to ports and workers"],
  ["t", "colours: automatic, light, dark"],
  ["?", "this list"],
  ["Tab, Enter", "go from name to name, and have one explained"],
];

export function goTo(id) {
  const target = byId(id);
  if (!target) return;
  if (target instanceof HTMLDetailsElement) target.open = true;
  target.scrollIntoView({ block: "start" });
  (target instanceof HTMLDetailsElement ? target.firstElementChild : target).focus({ preventScroll: true });
}

export function followKeys({ turnTheme }) {
  byId("help-keys").append(...keys.map(([key, text]) =>
    element("div", {}, element("dt", {}, element("kbd", {}, key)), element("dd", {}, text))));
  byId("keys").addEventListener("click", () => byId("help").showModal());
  const filter = byId("filter");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target === filter;
    if (isTyping && event.key === "Escape") {
      filter.value = "";
      filter.dispatchEvent(new Event("input"));
      filter.blur();
    }
    if (isTyping || byId("help").open) return;
    if (event.key === "/") filter.focus();
    else if (event.key === "?") byId("help").showModal();
    else if (event.key === "t") turnTheme();
    else if (event.key === "0") goTo("machine");
    else if (/^[1-9]$/.test(event.key)) goTo(sections[Number(event.key) - 1]);
    else return;
    event.preventDefault();
  });
  // A link to a part of the page takes the keyboard along.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link) return;
    event.preventDefault();
    goTo(decodeURIComponent(link.hash.slice(1)));
  });
}
