// Puts the page together: every document goes to every part, once.

import { followFilter, updateBackends } from "./backends.js";
import { byId, setAttribute, setText, show } from "./dom.js";
import { makeDrops, updateDrops } from "./drops.js";
import { Events } from "./events.js";
import { Feed } from "./feed.js";
import { count, duration, moment } from "./format.js";
import { followKeys } from "./keys.js";
import { updateLedger } from "./ledger.js";
import { makeMachine, updateMachine } from "./machine.js";
import { countersOf, Rates } from "./rates.js";
import { makeServices, updateServices } from "./services.js";
import { updateSources } from "./sources.js";
import { followTerms } from "./terms.js";
import { followTheme, turnTheme } from "./theme.js";
import { Graph, History, makeTraffic, updateTraffic } from "./traffic.js";
import { updateTunnels } from "./tunnels.js";
import { followVerdict, updateVerdict } from "./verdict.js";

/** Figures may be so old, in seconds, before the page says that they are. */
const stale = 3;

const rates = new Rates();
const history = new History();
const events = new Events();
const graph = new Graph(byId("graph"));
let words = {};
let last = null; // the last document
let arrived = 0; // when it did
let lostSince = null;

function start({ drop_reasons, history: kept }) {
  words = Object.fromEntries(drop_reasons.map(({ reason, ...text }) => [reason, text]));
  history.begin(kept);
  rates.forget();
}

function take(state) {
  const gap = last === null ? 0 : state.time - last.time;
  if (gap > 30 || gap < 0) feed.restart(); // a while is missing, or the gateway is another one
  if (last && state.system.started !== last.system.started) rates.forget();
  last = state;
  arrived = performance.now();
  lostSince = null;
  rates.add(state.time, countersOf(state));
  history.add(state.time, Object.fromEntries(["received", "transmitted", "dropped"].map((name) => [name, rates.of(name)])));
  draw();
}

/** What is drawn, in the order of its frames: each takes some milliseconds where there is much of it. */
const parts = [
  drawHead,
  (state) => {
    updateTraffic(state, rates, history);
    graph.update(history.samples, state.time);
    updateServices(state, rates);
  },
  (state) => updateBackends(state, rates),
  (state) => {
    updateDrops(state, rates, words);
    updateSources(state);
    updateTunnels(state, rates);
    updateLedger(state, rates);
    updateMachine(state, rates);
    events.update(state);
  },
];
let frame = null;

let isWhole = false; // each part has been drawn once

/** Draws the last document from that part on: the first document as a whole, others with the frames that follow. */
function draw(part = 0) {
  cancelAnimationFrame(frame);
  parts[part](last);
  if (part + 1 === parts.length) {
    isWhole = true;
    pulse();
  } else if (isWhole) {
    frame = requestAnimationFrame(() => draw(part + 1));
  } else {
    draw(part + 1);
  }
}

function drawHead(state) {
  const { wrong, level } = updateVerdict(state, rates, words);
  setText(byId("name"), state.system.name);
  setText(byId("generation"), count(state.system.generation));
  setText(byId("uptime"), duration(state.system.uptime_seconds));
  setText(byId("version"), state.system.version);
  const title = `${wrong ? `(${wrong}) ` : ""}${state.system.name} · Sluice`;
  if (document.title !== title) document.title = title;
  setAttribute(document.documentElement, "data-level", level);
}

function lose(why) {
  lostSince ??= performance.now();
  show(byId("lost"), true);
  const since = last ? ` What stands here is of ${moment(last.time, Date.now() / 1000)}.` : "";
  setText(byId("lost"), `No word from the gateway: ${why}.${since} It is asked again every second.`);
  pulse();
}

/** How old the figures are, said once they are older than promised. */
function pulse() {
  const age = last === null ? Infinity : (performance.now() - arrived) / 1000;
  const isLost = lostSince !== null;
  const state = isLost ? "lost" : last === null ? "waiting" : age > stale ? "lost" : "live";
  setAttribute(byId("pulse"), "data-state", state);
  setAttribute(document.documentElement, "data-feed", state);
  setText(byId("pulse-text"), state === "live" ? "live" : state === "waiting" ? "connecting" : last ? `${duration(age)} old` : "no word");
  if (!isLost) show(byId("lost"), false);
}

const feed = new Feed({ onStart: start, onState: take, onLost: lose });
followTheme();
followTerms();
followFilter();
followKeys({ turnTheme });
followVerdict(() => last && draw());
makeTraffic();
makeServices();
makeDrops();
makeMachine();
setInterval(pulse, 1000);
feed.start();
