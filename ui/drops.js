// Packets that disappeared, and why.

import { byId, element, list, setAttribute, setProse, setText, show } from "./dom.js";
import { count, duration, moment, several, short } from "./format.js";
import { isDroppingNow, levelOfDrop } from "./problems.js";
import { term } from "./terms.js";

let words;
let rates;
let now;

function makeDrop(drop) {
  const parts = {
    rate: element("span", { class: "rate" }),
    total: element("span", { class: "total" }),
    bar: element("i", {}),
    since: element("p", { class: "since" }),
  };
  const text = words[drop.reason] ?? { meaning: "", remedy: "" };
  const meaning = element("span", {});
  const remedy = element("span", {});
  setProse(meaning, text.meaning);
  setProse(remedy, text.remedy);
  const box = element("details", { class: "drop", id: `drop-${drop.reason}`, "data-reason": drop.reason },
    element("summary", {}, element("code", {}, drop.reason), parts.rate, parts.total,
      element("span", { class: "shares", "aria-hidden": "true" }, parts.bar)),
    parts.since,
    element("p", {}, element("b", {}, "What was wrong: "), meaning),
    element("p", {}, element("b", {}, "What to do: "), remedy));
  box.parts = parts;
  return box;
}

function updateDrop(box, drop, most) {
  const { rate, total, bar, since } = box.parts;
  const isNow = isDroppingNow(drop, now);
  setAttribute(box, "data-level", levelOfDrop(drop, now));
  const perSecond = rates.of(`drop/${drop.reason}`);
  setText(rate, isNow && perSecond > 0 ? `${short(perSecond)}/s` : "");
  setText(total, count(drop.count));
  const share = `${Math.max(1, (100 * drop.count) / most).toFixed(1)}%`;
  if (bar.style.width !== share) bar.style.width = share;
  setText(since, drop.last === null ? "" : isNow
    ? `Since ${moment(drop.since, now)}, ${duration(now - drop.since)}.`
    : `Last ${moment(drop.last, now)}, ${duration(now - drop.last)} ago.`);
  show(since, drop.last !== null);
}

function makeZero(drop) {
  const meaning = element("span", {});
  setProse(meaning, words[drop.reason]?.meaning ?? "");
  return element("p", {}, element("code", {}, drop.reason), " ", meaning);
}

export function makeDrops() {
  byId("drops-title").after(element("p", { class: "soft heads", id: "drops-heads" },
    term("drop_rate", "a second"), term("drop_total", "since the start")));
}

/** `newWords`: what each reason means, by its name. */
export function updateDrops(state, newRates, newWords) {
  [words, rates, now] = [newWords, newRates, state.time];
  const seen = state.drops.filter((drop) => drop.count > 0);
  const rateOf = (drop) => (isDroppingNow(drop, now) ? 1 : 0);
  seen.sort((a, b) => rateOf(b) - rateOf(a) || b.count - a.count);
  const most = Math.max(1, ...seen.map((drop) => drop.count));
  list(byId("drops-list"), seen, (drop) => drop.reason, makeDrop, (box, drop) => updateDrop(box, drop, most));
  show(byId("drops-heads"), seen.length > 0);
  show(byId("drops-none"), seen.length === 0);
  const zero = state.drops.filter((drop) => drop.count === 0);
  show(byId("drops-zero"), zero.length > 0);
  setText(byId("drops-zero-text"), `${several(zero.length, "reason")} at 0`);
  list(byId("drops-zero-list"), zero, (drop) => drop.reason, makeZero, () => {});
}
