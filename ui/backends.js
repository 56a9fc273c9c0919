// Who serves: pool by pool, those first that do not.

import { byId, element, setAttribute, setText, show } from "./dom.js";
import { count, endpoint, moment, percent, roughly, several, short, total, unixTime } from "./format.js";
import { servicesOf } from "./problems.js";
import { Slices } from "./slices.js";
import { Table } from "./table.js";

/** A pool with more backends shows those that do not serve, and the others when asked. */
const mostShown = 12;
const states = ["down", "maintenance", "draining", "active"];
let rates;
let state;
let pattern = "";

const columns = [
  { id: "state", explain: "state", name: "State", text: (row) => row.state, mark: (row) => row.state },
  { id: "endpoint", explain: "backend", name: "Backend", text: (row) => endpoint(row.address, row.port),
    title: (row) => `${endpoint(row.address, row.port)}, named by ${row.origin}` },
  { id: "why", explain: "why", name: "Why", text: (row) => row.reason, title: (row) => row.reason },
  { id: "since", explain: "since", name: "Since", text: sinceText },
  { id: "weight", explain: "weight", name: "Weight", number: true, text: (row) => count(row.weight) },
  { id: "share", explain: "share", name: "Share", number: true, text: (row) => percent(row.share) },
  { id: "flows", explain: "backend_flows", name: "Flows", number: true, text: (row) => total(row.active_flows) },
  { id: "packets", explain: "backend_packets", name: "Packets/s", number: true,
    text: (row) => short(rates.of(`backend/${row.pool}/${row.address}/${row.port}`)) },
];

function sinceText(row) {
  const since = unixTime(row.since);
  return since === null ? "" : `${moment(since, state.time)}, ${roughly(state.time - since)}`;
}

function makePool(pool) {
  const title = element("h3", { id: `pool-${pool.pool}`, tabindex: "-1" }, pool.pool);
  const summary = element("span", { class: "summary" });
  const users = element("span", { class: "users soft" });
  const parts = states.map((word) => element("i", { "data-part": word }));
  const shares = element("div", { class: "shares", "aria-hidden": "true" }, ...parts);
  const table = new Table({ label: `Backends of ${pool.pool}`, kind: "backends", columns,
    keyOf: (row) => `${row.address} ${row.port}`, rowState: (row) => row.state });
  const more = element("button", { type: "button", class: "quiet more", "aria-expanded": "false" });
  const omitted = element("p", { class: "soft" });
  const box = element("div", { class: "pool" }, element("div", { class: "line" }, title, summary, users), shares,
    table.element, more, omitted);
  box.parts = { summary, users, parts, table, more, omitted };
  box.isWhole = false;
  more.addEventListener("click", () => {
    box.isWhole = !box.isWhole;
    updatePool(box, box.pool);
  });
  return box;
}

function matches(pool, row) {
  if (!pattern) return true;
  const text = `${pool.pool} ${endpoint(row.address, row.port)} ${row.state} ${row.reason} ${row.origin}`.toLowerCase();
  return pattern.split(/\s+/).every((word) => text.includes(word));
}

/** The rows that the filter leaves, worst first; `backends` come so. */
function rowsOf(pool) {
  return pool.backends.filter((row) => matches(pool, row)).map((row) => ({ ...row, pool: pool.pool }));
}

function updatePool(box, pool) {
  box.pool = pool;
  const { summary, users, parts, table, more, omitted } = box.parts;
  setText(summary, pool.listed === 0 ? "no backend" : `${count(pool.available)} of ${count(pool.listed)} take new flows`);
  setAttribute(summary, "data-level", pool.available === 0 ? "bad" : pool.available < pool.listed ? "warning" : "well");
  const names = servicesOf(state, pool.pool);
  setText(users, names.length ? `for ${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${names.length - 3} more` : ""}` : "no service uses it");
  parts.forEach((part, index) => {
    const number = pool.states[states[index]] ?? 0;
    const share = pool.listed ? `${(100 * number) / pool.listed}%` : "0%";
    if (part.style.width !== share) part.style.width = share;
  });
  const rows = rowsOf(pool);
  const away = rows.filter((row) => row.state !== "active");
  const isLong = !pattern && rows.length > mostShown;
  const few = away.length > mostShown ? away.slice(0, mostShown) : rows.slice(0, Math.max(away.length, 4));
  const shown = isLong && !box.isWhole ? few : rows;
  table.update(shown);
  show(table.element, shown.length > 0);
  show(more, isLong);
  setAttribute(more, "aria-expanded", String(box.isWhole));
  setText(more, box.isWhole ? "Show fewer" : `Show all ${several(rows.length, "backend")}`);
  show(omitted, pool.omitted > 0);
  setText(omitted, `${several(pool.omitted, "active backend")} more: sluicectl backend list --pool ${pool.pool} has them all.`);
}

const pools = new Slices(byId("pools"), { step: 10, keyOf: (pool) => pool.pool, make: makePool, look: updatePool });

function urgency(pool) {
  if (pool.available === 0) return servicesOf(state, pool.pool).length ? 3 : 1;
  return pool.states.down > 0 ? 2 : 0;
}

function updateAll() {
  const shown = state.pools.rows.filter((pool) => !pattern || pool.backends.some((row) => matches(pool, row)));
  shown.sort((a, b) => urgency(b) - urgency(a)); // stable: by name within each
  pools.update(shown);
  const found = pattern ? shown.reduce((sum, pool) => sum + pool.backends.filter((row) => matches(pool, row)).length, 0) : 0;
  setText(byId("filter-result"), pattern ? `${several(found, "backend")} match${found === 1 ? "es" : ""}` : "");
}

export function updateBackends(newState, newRates) {
  state = newState;
  rates = newRates;
  const { rows, omitted } = state.pools;
  const all = rows.reduce((sum, pool) => sum + pool.listed, 0);
  setText(byId("backends-count"), all ? `${count(all)} in ${several(rows.length + omitted, "pool")}` : "");
  show(byId("pools-none"), rows.length === 0);
  show(byId("pools-omitted"), omitted > 0);
  setText(byId("pools-omitted"), `${several(omitted, "pool")} more: sluicectl backend list has them all.`);
  updateAll();
}

export function followFilter() {
  byId("filter").addEventListener("input", (event) => {
    pattern = event.target.value.trim().toLowerCase();
    if (state) updateAll();
  });
}
