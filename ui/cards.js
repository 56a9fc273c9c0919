// A thing with its state, why and since when, and a few named figures: what sources, tunnels and the ledger look like.

import { element, list, setAttribute, setText, show } from "./dom.js";
import { duration, moment, unixTime } from "./format.js";
import { term } from "./terms.js";

/** `figures`: `[[explanation, name, text], ...]`; the same ones in each update. */
export function makeCard(title, figures) {
  const parts = {
    sign: element("i", { class: "sign", "aria-hidden": "true" }),
    state: element("span", { class: "state" }),
    kind: element("p", { class: "kind soft" }),
    why: element("p", { class: "why" }),
    figures: figures.map(() => element("dd", {})),
  };
  const terms = element("dl", {}, ...figures.map(([explanation, name], index) =>
    element("div", {}, element("dt", {}, explanation ? term(explanation, name) : name), parts.figures[index])));
  const card = element("article", { class: "card" },
    element("div", { class: "line" }, element("h3", {}, title), element("span", { class: "stands" }, parts.sign, parts.state)),
    parts.kind, parts.why, terms);
  card.parts = parts;
  return card;
}

export function updateCard(card, { kind, state, level, why, since, figures }, now) {
  const { parts } = card;
  setAttribute(card, "data-level", level);
  setText(parts.kind, kind);
  setText(parts.state, state);
  setAttribute(parts.sign, "data-sign", level);
  const at = unixTime(since ?? null);
  const text = [why, at === null ? "" : `Since ${moment(at, now)}, ${duration(now - at)}.`].filter(Boolean).join(" ");
  setText(parts.why, text);
  show(parts.why, text !== "");
  figures.forEach(([, , figure, title], index) => {
    setText(parts.figures[index], figure);
    setAttribute(parts.figures[index], "title", title);
  });
}

export function updateCards(parent, cards, now) {
  list(parent, cards, (card) => card.title, (card) => makeCard(card.title, card.figures),
    (node, card) => updateCard(node, card, now));
}
