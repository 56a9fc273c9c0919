// The figures of the whole gateway and their last five minutes.

import { byId, element, setAttribute, setText, svgElement } from "./dom.js";
import { nothing, percent, scaled, short } from "./format.js";
import { levelOfDrop } from "./problems.js";
import { term } from "./terms.js";

const figures = [
  { id: "received", unit: "packets/s" },
  { id: "transmitted", unit: "packets/s" },
  { id: "dropped", unit: "packets/s" },
  { id: "bits", unit: "bit/s in", isJoined: true },
  { id: "flows", unit: "" },
  { id: "busy", unit: "" },
];

function makeFigure({ id, unit, isJoined }) {
  const value = element("span", { class: "value", id: `figure-${id}` }, nothing);
  const prefix = element("span", { class: "unit" }, unit);
  const below = element("p", { class: "below", id: `below-${id}` });
  const box = element("div", { class: "figure", "data-figure": id }, element("h3", {}, term(id)),
    element("p", { class: "great" }, value, " ", prefix), below);
  box.parts = { value, prefix, below, unit, gap: isJoined ? "" : " " };
  return box;
}

function say(id, digits, prefix, below) {
  const { parts } = boxes.get(id);
  setText(parts.value, digits);
  setText(parts.prefix, `${prefix}${prefix && parts.gap}${parts.unit}`);
  setText(parts.below, below);
}

const boxes = new Map();

export function makeTraffic() {
  for (const figure of figures) {
    const box = makeFigure(figure);
    boxes.set(figure.id, box);
    byId("figures").append(box);
  }
}

/** `history`: see History. Before two documents have come, its last second says how much comes. */
export function updateTraffic(state, rates, history) {
  const latest = history.latest();
  const rate = (name) => {
    const known = rates.of(name);
    return Number.isFinite(known) ? known : latest?.[name] ?? NaN;
  };
  for (const id of ["received", "transmitted", "dropped"]) {
    const total = state.stats[`${id}_packets`];
    say(id, ...scaled(rate(id)), `${short(total)} since the start`);
    setAttribute(boxes.get(id).parts.below, "title", `${total} packets`);
  }
  const isAmiss = state.drops.some((drop) => levelOfDrop(drop, state.time) === "warning");
  setAttribute(boxes.get("dropped"), "data-level", isAmiss ? "warning" : null);
  say("bits", ...scaled(rates.of("received_bytes") * 8), `${short(rates.of("transmitted_bytes") * 8)} bit/s out`);
  const workers = state.stats.workers;
  const flows = workers.reduce((sum, worker) => sum + worker.flow_entries, 0);
  say("flows", ...scaled(flows), `${short(rates.of("flows"))} begin a second`);
  setAttribute(boxes.get("flows").parts.value, "data-value", flows);
  const busiest = workers.reduce((most, worker) => (worker.busy_ratio > (most?.busy_ratio ?? -1) ? worker : most), null);
  say("busy", percent(busiest?.busy_ratio), "", busiest ? `worker ${busiest.worker} of ${workers.length}, CPU ${busiest.cpu}` : "");
}

/** Packets a second, second by second, for the last `length` seconds. */
export class History {
  static length = 300;
  #samples = []; // {time, received, transmitted, dropped}, oldest first

  /** What the gateway has kept; `history`: {time, interval, received: [...], transmitted, dropped}. */
  begin(history) {
    const { time, interval, received } = history;
    this.#samples = received.map((value, index) => ({
      time: time - (received.length - 1 - index) * interval,
      received: value,
      transmitted: history.transmitted[index],
      dropped: history.dropped[index],
    }));
  }

  add(time, rates) {
    if (!Number.isFinite(rates.received) || time - (this.#samples.at(-1)?.time ?? 0) < 0.5) return;
    this.#samples.push({ time, ...rates });
    while (this.#samples.length && time - this.#samples[0].time > History.length) this.#samples.shift();
  }

  latest() {
    return this.#samples.at(-1);
  }

  get samples() {
    return this.#samples;
  }
}

/** A bound that is easily halved in one's head, and at least `value`. */
export function roundedUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.4, 2, 3, 4, 5, 6, 8, 10].map((digit) => digit * power).find((bound) => bound >= value * 0.999);
}

const size = { width: 600, height: 150 };

export class Graph {
  constructor(parent) {
    this.area = svgElement("path", { class: "area" });
    this.line = svgElement("path", { class: "line in" });
    this.dropped = svgElement("path", { class: "line out" });
    const grid = [0.5].map((at) => svgElement("path", { class: "grid", d: `M0 ${size.height * at}H${size.width}` }));
    this.top = element("span", { class: "most" });
    this.half = element("span", { class: "half" });
    parent.append(
      svgElement("svg", { viewBox: `0 0 ${size.width} ${size.height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
        ...grid, this.area, this.line, this.dropped),
      this.top, this.half,
      element("span", { class: "from" }, "5 min ago"), element("span", { class: "to" }, "now"));
  }

  update(samples, now) {
    const most = Math.max(10, ...samples.map((sample) => Math.max(sample.received, sample.dropped)));
    const bound = roundedUp(most);
    setText(this.top, tidy(bound));
    setText(this.half, tidy(bound / 2));
    const points = (some, name) => some.map((sample) => {
      const x = size.width * (1 - (now - sample.time) / History.length);
      const y = size.height - (sample[name] / bound) * (size.height - 2) - 1;
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    const received = points(samples, "received");
    const path = received.length > 1 ? `M${received.join("L")}` : "";
    setAttribute(this.line, "d", path);
    const [first] = received;
    setAttribute(this.area, "d", path && `${path}V${size.height}H${first.split(" ")[0]}Z`);
    const spells = spellsOf(samples, (sample) => sample.dropped > 0);
    setAttribute(this.dropped, "d", spells.map((spell) => `M${points(spell, "dropped").join("L")}`).join(""));
  }
}

function tidy(value) {
  return short(value).replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");
}

/** The runs of samples that something holds for, each with the sample before it. */
function spellsOf(samples, holds) {
  const spells = [];
  samples.forEach((sample, index) => {
    if (!holds(sample)) return;
    if (index > 0 && holds(samples[index - 1])) spells.at(-1).push(sample);
    else spells.push([samples[Math.max(0, index - 1)], sample]);
  });
  return spells;
}
