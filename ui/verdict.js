// The first thing that one reads: whether all is well, and else what is wrong, why and since when.

import { byId, element, list, setAttribute, setProse, setText, show } from "./dom.js";
import { duration, moment, several } from "./format.js";
import { problemsOf } from "./problems.js";

/** More of them are one press away. */
const mostShown = 6;
let isWhole = false;

function makeProblem() {
  const parts = {
    sign: element("i", { class: "sign", "aria-hidden": "true" }),
    title: element("a", {}),
    since: element("span", { class: "since" }),
    why: element("p", { class: "why" }),
    remedy: element("p", { class: "remedy" }),
  };
  const item = element("li", {},
    parts.sign, element("p", {}, parts.title, " ", parts.since), parts.why, parts.remedy);
  item.parts = parts;
  return item;
}

function updateProblem(item, problem, now) {
  const { sign, title, since, why, remedy } = item.parts;
  setAttribute(item, "data-level", problem.level);
  setAttribute(sign, "data-sign", problem.level);
  setText(title, problem.title);
  setAttribute(title, "href", `#${problem.at}`);
  setText(since, problem.since === null ? "" : `since ${moment(problem.since, now)}, ${duration(now - problem.since)}`);
  setProse(why, problem.why ?? "");
  show(why, Boolean(problem.why));
  setProse(remedy, problem.remedy ?? "");
  show(remedy, Boolean(problem.remedy) && problem.level !== "note");
}

/** Says it; answers how many problems and notes there are. */
export function updateVerdict(state, rates, words) {
  const problems = problemsOf(state, rates, words);
  const wrong = problems.filter((problem) => problem.level !== "note");
  const notes = problems.length - wrong.length;
  const level = wrong.some((problem) => problem.level === "bad") ? "bad" : wrong.length ? "warning" : "well";
  setAttribute(byId("verdict"), "data-level", level);
  setText(byId("verdict-text"), wrong.length ? `${several(wrong.length, "thing")} need${wrong.length === 1 ? "s" : ""} attention` : "All is well");
  const note = byId("verdict-note");
  show(note, wrong.length === 0);
  setText(note, notes ? `${several(notes, "note")}, nothing that has to be mended.` : wellText(state));
  const shown = isWhole ? problems : problems.slice(0, mostShown);
  list(byId("problems"), shown, (problem) => problem.key, makeProblem, (item, problem) => updateProblem(item, problem, state.time));
  const more = byId("more-problems");
  show(more, problems.length > mostShown);
  setText(more, isWhole ? "Show fewer" : `Show ${problems.length - mostShown} more`);
  return { wrong: wrong.length, level };
}

function wellText(state) {
  const backends = state.pools.rows.reduce((sum, pool) => sum + pool.listed, 0);
  const parts = [
    state.services.rows.length ? several(state.services.rows.length + state.services.omitted, "service") : "",
    backends ? `${several(backends, "backend")}, all of them in service` : "",
    state.sources.length ? `${several(state.sources.length, "source")} in step` : "",
    "nothing dropped in the last seconds",
  ].filter(Boolean);
  return `${parts.join("; ")}.`;
}

export function followVerdict(again) {
  byId("more-problems").addEventListener("click", () => {
    isWhole = !isWhole;
    again();
  });
}
