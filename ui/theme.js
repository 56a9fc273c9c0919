// Light or dark: as the system has it, or as was chosen here.

import { byId, setAttribute, setText } from "./dom.js";

const choices = ["auto", "light", "dark"];
const names = { auto: "Colours: auto", light: "Colours: light", dark: "Colours: dark" };
const kept = "sluice-colours";

function chosen() {
  try {
    const value = localStorage.getItem(kept);
    return choices.includes(value) ? value : "auto";
  } catch {
    return "auto"; // no storage here
  }
}

function apply(choice) {
  setAttribute(document.documentElement, "data-theme", choice === "auto" ? null : choice);
  setText(byId("theme"), names[choice]);
}

export function turnTheme() {
  const next = choices[(choices.indexOf(chosen()) + 1) % choices.length];
  try {
    localStorage.setItem(kept, next);
  } catch {
    // It holds as long as the page is open.
  }
  apply(next);
}

export function followTheme() {
  apply(chosen());
  byId("theme").addEventListener("click", turnTheme);
}
