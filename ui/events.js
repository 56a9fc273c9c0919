// What happens, as it comes; and what had happened before the page was opened.

import { byId, element, setAttribute, setText } from "./dom.js";
import { count, endpoint, moment, several } from "./format.js";

const mostKept = 200;
let now = Date.now() / 1000; // by the gateway's clock, once it is known
const levelOfState = { active: "well", up: "well", synced: "well", down: "bad", failed: "bad", exhausted: "bad", no_keys: "bad" };

/** `[level, text]` of an event; both of its own words only. */
export function eventWords(event) {
  const because = event.reason ? `: ${event.reason}` : "";
  switch (event.kind) {
    case "config_applied":
      return ["note", `Generation ${event.generation} was applied`];
    case "config_refused": {
      const [first] = event.faults ?? [];
      const more = (event.faults?.length ?? 0) - 1;
      const words = first ? `: ${first.pointer ?? ""} ${first.message ?? first}`.replace(":  ", ": ") : "";
      return ["bad", `A configuration was refused${words}${more > 0 ? `, and ${several(more, "fault")} more` : ""}`];
    }
    case "backend_state":
      return [levelOfState[event.state] ?? "warning",
        `${event.pool} ${endpoint(event.address ?? "", event.port)} is ${event.state}${because}`];
    case "source_state":
      return [levelOfState[event.state] ?? "warning", `Source ${event.source} is ${event.state}${because}`];
    case "tunnel_state":
      return [levelOfState[event.state] ?? "warning", `Tunnel ${event.tunnel} ${event.state === "no_keys" ? "has no keys" : `is ${event.state}`}${because}`];
    case "inspection_ready":
      return ["note", `Inspection ${event.inspection ?? ""} is live`.replace("  ", " ")];
    case "ledger_checkpoint":
      return ["note", `The ledger's checkpoint covers ${several(event.size, "transaction")}`];
    case "worker_stalled":
      return ["bad", `Worker ${event.worker} stands still`];
    case "port_link":
      return [event.up ? "well" : "bad", `Port ${event.port} has ${event.up ? "its" : "no"} link`];
    case "capture":
      return ["note", `Capture ${event.capture}: ${event.state}`];
    default: {
      const { time, kind, ...fields } = event;
      const words = Object.entries(fields).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`);
      return ["note", [String(kind).replaceAll("_", " "), words.join(", ")].filter(Boolean).join(": ")];
    }
  }
}

const causes = { config: "by a configuration", source: "by its source", health: "by a health check", ejection: "by outlier detection", operator: "by an operator" };

/** The same of a change that `change.list` tells. */
export function changeWords(change) {
  const [what, ...rest] = change.object.split("/");
  const name = rest.join("/");
  const object = what === "config" ? `Generation ${name}` : what === "backend" ? `Backend ${name.replace(/\/([^/]*)$/, " $1")}`
    : name === "*" ? "Several pools" : `${what[0].toUpperCase()}${what.slice(1)} ${name}`;
  if (what === "config") return ["note", `${object} was applied`];
  return ["note", `${object} changed ${causes[change.cause] ?? ""}`];
}

function makeRow(kind, time, level, text) {
  const words = element("span", { class: "text" }, text);
  const at = element("time", { datetime: new Date(time * 1000).toISOString() }, moment(time, now));
  const row = element("li", { "data-level": level, "data-kind": kind }, at,
    element("i", { class: "sign", "aria-hidden": "true", "data-sign": level }), words);
  row.parts = { words, at };
  row.time = time;
  row.repeats = 1;
  return row;
}

/** What the last checkpoints said is one row: they come ten times a second. */
function addEvent(event) {
  const list = byId("events-list");
  const [level, text] = eventWords(event);
  const first = list.firstElementChild;
  if (event.kind === "ledger_checkpoint" && first?.dataset.kind === event.kind) {
    first.repeats += 1;
    setText(first.parts.words, `${text} (${count(first.repeats)} since ${first.parts.at.textContent})`);
    return;
  }
  list.prepend(makeRow(event.kind, event.time, level, text));
  while (list.childElementCount > mostKept) list.lastElementChild.remove();
}

/** The events of a stream's text (WHATWG HTML, 9.2.6), and what is left of it: the beginning of the next one. */
export function readStream(text) {
  const blocks = text.split(/\r?\n\r?\n/);
  const rest = blocks.pop();
  const events = [];
  for (const block of blocks) {
    const lines = block.split(/\r?\n/);
    const values = (name) => lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).replace(/^ /, ""));
    try {
      const event = JSON.parse(values("data").join("\n"));
      if (event && typeof event === "object") events.push({ kind: values("event").at(-1) ?? "event", ...event });
    } catch {
      // a comment, or no object: neither is an event
    }
  }
  return { events, rest };
}

/** Reads `GET /events`, and begins again for as long as the page is open. */
export class Events {
  static #first = 1000;
  static #most = 30_000;
  /** The gateway sends at least a comment four times in so long. */
  static #patience = 60_000;
  static #longest = 1 << 20;
  #wait = Events.#first;
  #waiting = [];
  #hasBegun = false;
  #isLive = false;
  #lastChange = -1;

  /** Called with every document. */
  update(state) {
    now = state.time;
    this.#addChanges(state);
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#follow();
  }

  /** Changes from before the page's first word; and all of them while events do not come. */
  #addChanges({ changes }) {
    const list = byId("events-list");
    const isFirst = this.#lastChange < 0;
    const news = changes.filter((change) => change.id > this.#lastChange && (isFirst || !this.#isLive));
    for (const change of news.reverse()) list.prepend(makeRow("change", change.seen, ...changeWords(change)));
    this.#lastChange = Math.max(0, ...changes.map((change) => change.id)); // a gateway that has started anew begins at 1
    while (list.childElementCount > mostKept) list.lastElementChild.remove();
  }

  async #follow() {
    for (;;) {
      this.#say("waiting", "Connecting");
      const why = await this.#read().catch(() => "cannot be reached");
      const seconds = Math.round(this.#wait / 1000);
      const what = this.#isLive ? "Broken off" : `They do not come: the gateway ${why}`;
      this.#isLive = false;
      this.#say("lost", `${what}. Until they do, changes are listed. Next attempt in ${seconds} s.`);
      await new Promise((resume) => setTimeout(resume, this.#wait));
      this.#wait = Math.min(this.#wait * 2, Events.#most);
    }
  }

  /** Until the stream ends; answers why there was none. */
  async #read() {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), Events.#patience);
    try {
      const answer = await fetch("events", { headers: { Accept: "text/event-stream" }, cache: "no-store", signal: silence.signal });
      if (!answer.ok) return answer.status === 404 ? "tells none" : `answers ${answer.status}`;
      this.#isLive = true;
      this.#wait = Events.#first;
      this.#say("live", "Live, the newest first");
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ""; text.length < Events.#longest; ) {
        const { value, done } = await reader.read();
        if (done) break;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), Events.#patience);
        const { events, rest } = readStream(text + value);
        text = rest;
        events.forEach((event) => this.#take(event));
      }
      return "has ended it";
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  /** Drawn with the next frame, however many come until then. */
  #take(event) {
    this.#waiting.push({ time: now, ...event });
    if (this.#waiting.length > mostKept) this.#waiting.shift();
    if (this.#waiting.length === 1) requestAnimationFrame(() => this.#waiting.splice(0).forEach(addEvent));
  }

  #say(state, text) {
    setAttribute(byId("events-state"), "data-state", state);
    setText(byId("events-state"), text);
  }
}
