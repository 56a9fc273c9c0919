// What the page's modules make of documents, without a browser: node --test.
import assert from "node:assert/strict";
import { test } from "node:test";

import { changeWords, eventWords, readStream } from "../../ui/events.js";
import { count, duration, endpoint, listed, moment, percent, roughly, scaled, short, total } from "../../ui/format.js";
import { problemsOf } from "../../ui/problems.js";
import { countersOf, Rates } from "../../ui/rates.js";

test("figures have three digits and a unit of thousands", () => {
  const cases = [[0, "0"], [0.4, "0.4"], [7, "7"], [999.4, "999"], [999.5, "1.00 k"], [1234, "1.23 k"], [12345, "12.3 k"],
    [123456, "123 k"], [999499, "999 k"], [999500, "1.00 M"], [2.5e9, "2.50 G"], [-1500, "−1.50 k"], [NaN, "–"], [undefined, "–"]];
  for (const [value, text] of cases) assert.equal(short(value), text, String(value));
  assert.deepEqual(scaled(1e15), ["1.00", "P"]);
  assert.equal(count(1234567), "1,234,567");
  assert.equal(total(9999999), "9,999,999");
  assert.equal(total(10000000), "10 M");
});

test("shares are never shown as nothing where they are something", () => {
  const cases = [[0, "0 %"], [0.0004, "< 0.1 %"], [0.012, "1.2 %"], [0.333, "33 %"], [1, "100 %"], [NaN, "–"]];
  for (const [value, text] of cases) assert.equal(percent(value), text);
});

test("durations have their two greatest units", () => {
  const cases = [[0, "0 s"], [59.9, "59 s"], [61, "1 min 1 s"], [599, "9 min 59 s"], [600, "10 min"], [3599, "59 min"],
    [3600, "1 h 0 min"], [86399, "23 h 59 min"], [90000, "1 d 1 h"], [864000, "10 d"], [-5, "0 s"], [NaN, "–"]];
  for (const [value, text] of cases) assert.equal(duration(value), text);
  assert.deepEqual([0, 59, 60, 3599, 3600, 86400, NaN].map(roughly), ["just now", "just now", "1 min", "59 min", "1 h", "1 d", "–"]);
});

test("a time of another day says which", () => {
  const noon = new Date(2026, 4, 17, 12, 0, 0).getTime() / 1000;
  assert.equal(moment(noon - 3600, noon), "11:00:00");
  assert.equal(moment(noon - 86400, noon), "16 May 12:00");
  assert.equal(moment(null, noon), "–");
});

test("endpoints are written as the configuration writes them", () => {
  assert.equal(endpoint("192.0.2.1", 80), "192.0.2.1:80");
  assert.equal(endpoint("2001:db8::1", 80), "[2001:db8::1]:80");
  assert.equal(endpoint("2001:db8::1", 0), "2001:db8::1");
  assert.equal(listed(["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
  assert.equal(listed(["a", "b"]), "a and b");
});

test("rates are means of two seconds at least, and unknown where counting began anew", () => {
  const rates = new Rates();
  const add = (time, value) => rates.add(time, new Map([["a", value]]));
  add(100, 1000);
  assert.ok(Number.isNaN(rates.of("a")));
  add(101, 1010);
  assert.equal(rates.of("a"), 10);
  add(102, 1030);
  assert.equal(rates.of("a"), 15);
  add(103, 1060);
  assert.equal(rates.of("a"), 25); // since 101
  add(103, 9999); // the same document again
  assert.equal(rates.of("a"), 25);
  add(104, 5); // a gateway that was started anew
  assert.ok(Number.isNaN(rates.of("a")));
  assert.ok(Number.isNaN(rates.of("b")));
  add(50, 5); // its clock went back
  assert.ok(Number.isNaN(rates.of("a")));
  add(51, 7);
  assert.equal(rates.of("a"), 2);
});

function state(changes = {}) {
  return {
    time: 1000,
    system: { generation: 4, last_apply_successful: true, ports: [{ name: "edge0", link_up: true }] },
    stats: { received_packets: 0, transmitted_packets: 0, dropped_packets: 0, ports: [],
      workers: [{ worker: 0, busy_ratio: 0.2, flow_entries: 1, flow_capacity: 100 }] },
    ready: { ready: true, conditions: [{ condition: "process", ok: true, detail: "" }] },
    stuck_workers: [],
    since: {},
    drops: [{ reason: "no_backend", count: 0, since: null, last: null }],
    services: { rows: [{ service: "site", pools: ["web"] }], omitted: 0, flows: 0 },
    pools: { rows: [{ pool: "web", listed: 2, available: 2, states: { active: 2 }, omitted: 0,
      backends: [backend("192.0.2.1"), backend("192.0.2.2")] }], omitted: 0 },
    sources: [],
    tunnels: null,
    ledger: null,
    ...changes,
  };
}

function backend(address, word = "active", reason = "", since = "1970-01-01T00:10:00.000Z") {
  return { address, port: 80, state: word, reason, since, packets: 0 };
}

function problems(changes, rates = new Rates()) {
  return problemsOf(state(changes), rates, { no_backend: { meaning: "nobody; of all", remedy: "look" } });
}

test("where all is well there is no problem", () => assert.deepEqual(problems({}), []));

test("a backend that is down is named, with why and since when", () => {
  const pools = { rows: [{ pool: "web", listed: 2, available: 1, states: { active: 1, down: 1 }, omitted: 0,
    backends: [backend("192.0.2.1", "down", "connection refused"), backend("192.0.2.2")] }], omitted: 0 };
  const [problem, ...others] = problems({ pools });
  assert.deepEqual(others, []);
  assert.equal(problem.level, "warning");
  assert.equal(problem.title, "Backend 192.0.2.1:80 of web is down");
  assert.match(problem.why, /^connection refused\./);
  assert.equal(problem.since, 600);
  assert.equal(problem.at, "pool-web");
});

test("a pool that nobody serves is worse, and names the services that suffer", () => {
  const pools = { rows: [{ pool: "web", listed: 2, available: 0, states: { down: 2 }, omitted: 0,
    backends: [backend("192.0.2.1", "down", "timed out"), backend("192.0.2.2", "down", "timed out", "1970-01-01T00:11:40.000Z")] }], omitted: 0 };
  const [problem, ...others] = problems({ pools });
  assert.deepEqual(others, []);
  assert.equal(problem.level, "bad");
  assert.match(problem.why, /timed out \(2 of them\).*New flows of site/);
  assert.equal(problem.since, 700); // from when on nobody was left
});

test("what an operator wished is a note", () => {
  const pools = { rows: [{ pool: "web", listed: 2, available: 1, states: { active: 1, draining: 1 }, omitted: 0,
    backends: [backend("192.0.2.1", "draining", "by an operator"), backend("192.0.2.2")] }], omitted: 0 };
  assert.deepEqual(problems({ pools }).map((problem) => problem.level), ["note"]);
});

test("everything else that is wrong is said, the worst first", () => {
  const found = problems({
    system: { generation: 4, last_apply_successful: false, ports: [{ name: "edge0", link_up: false }] },
    stuck_workers: [3],
    since: { "stuck/3": 900, "no_link/edge0": 800, apply_refused: 700 },
    ready: { ready: false, conditions: [{ condition: "sources", ok: false, detail: "etcd has not answered" }] },
    stats: { ports: [], workers: [{ worker: 0, busy_ratio: 0.99, flow_entries: 95, flow_capacity: 100 }] },
    drops: [{ reason: "no_backend", count: 3, since: 940, last: 995 }, { reason: "denied", count: 1, since: 990, last: 990 },
      { reason: "fragment", count: 1, since: 900, last: 989 }],
    sources: [{ name: "dns", state: "stale", reason: "no answer", last_error: "refused", since: 500 },
      { name: "good", state: "synced", reason: "", last_error: "", since: 1 }],
    tunnels: [{ tunnel: "dc2", state: "no_keys", since: 400, dropped: {} }],
    ledger: { failure: "fdatasync: Input/output error", disk_stalled: true, disk_full: true, transactions: {} },
  });
  assert.deepEqual([...new Set(found.map((problem) => problem.level))], ["bad", "warning", "note"]);
  const keys = found.map((problem) => problem.key);
  assert.deepEqual(keys.slice(0, 3), ["stuck/3", "link/edge0", "tunnel/dc2"]);
  for (const key of ["ready/sources", "apply", "busy/0", "flows/0", "source/dns", "ledger/failure", "ledger/stalled", "ledger/full", "drop/no_backend", "drop/denied"]) {
    assert.ok(keys.includes(key), key);
  }
  assert.ok(!keys.includes("drop/fragment")); // its last packet is eleven seconds ago
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(found.find((problem) => problem.key === "drop/no_backend").why, "nobody");
});

test("counters of everything that has a rate are taken from a document", () => {
  const counters = countersOf(state({
    stats: { received_packets: 7, transmitted_packets: 6, dropped_packets: 1, workers: [],
      ports: [{ port: "edge0", received_packets: 7, received_bytes: 700, transmitted_packets: 6, transmitted_bytes: 600, missed_packets: 2 }] },
    tunnels: [{ tunnel: "dc2", packets_in: 3, packets_out: 4 }],
    ledger: { transactions: { received: 5 } },
  }));
  for (const [name, value] of [["received", 7], ["received_bytes", 700], ["port/edge0/missed", 2], ["drop/no_backend", 0],
    ["backend/web/192.0.2.1/80", 0], ["tunnel/dc2/out", 4], ["ledger/received", 5]]) {
    assert.equal(counters.get(name), value, name);
  }
});

test("a stream is read however it is cut", () => {
  const text = ": hello\n\nevent: port_link\ndata: {\"port\": \"edge0\",\ndata: \"up\": false}\n\nevent: x\r\ndata: {\"a\":1}\r\n\r\ndata: {half\n\ndata: 7\n\nevent: last\nda";
  for (const size of [1, 2, 7, text.length]) {
    let rest = "";
    const found = [];
    for (let at = 0; at < text.length; at += size) {
      const read = readStream(rest + text.slice(at, at + size));
      rest = read.rest;
      found.push(...read.events);
    }
    assert.deepEqual(found, [{ kind: "port_link", port: "edge0", up: false }, { kind: "x", a: 1 }], String(size));
    assert.equal(rest, "event: last\nda");
  }
});

test("every kind of event has words, and one of the future its own", () => {
  const cases = [
    [{ kind: "config_applied", generation: 8 }, ["note", "Generation 8 was applied"]],
    [{ kind: "config_refused", faults: [{ pointer: "/a", message: "is missing" }, {}, {}] }, ["bad", "A configuration was refused: /a is missing, and 2 faults more"]],
    [{ kind: "backend_state", pool: "web", address: "2001:db8::1", port: 80, state: "active" }, ["well", "web [2001:db8::1]:80 is active"]],
    [{ kind: "source_state", source: "dns", state: "stale", reason: "timed out" }, ["warning", "Source dns is stale: timed out"]],
    [{ kind: "tunnel_state", tunnel: "dc2", state: "no_keys" }, ["bad", "Tunnel dc2 has no keys"]],
    [{ kind: "ledger_checkpoint", size: 1 }, ["note", "The ledger's checkpoint covers 1 transaction"]],
    [{ kind: "port_link", port: "edge0", up: true }, ["well", "Port edge0 has its link"]],
    [{ kind: "of_the_future", time: 1, a: { b: 1 }, c: 2 }, ["note", 'of the future: a {"b":1}, c 2']],
  ];
  for (const [event, words] of cases) assert.deepEqual(eventWords(event), words);
});

test("changes name their object as people write it, whatever is in a name", () => {
  const cases = [
    [{ cause: "config", object: "config/7" }, "Generation 7 was applied"],
    [{ cause: "health", object: "backend/a/b/[2001:db8::1]:80" }, "Backend a/b [2001:db8::1]:80 changed by a health check"],
    [{ cause: "source", object: "pool/*" }, "Several pools changed by its source"],
    [{ cause: "source", object: "source/dns" }, "Source dns changed by its source"],
  ];
  for (const [change, text] of cases) assert.equal(changeWords(change)[1], text);
});
