// What is wrong: what, why, since when, and what to do about it. Pure: a document and its rates go in.

import { count, duration, endpoint, listed, percent, several, short, unixTime } from "./format.js";

const levels = ["bad", "warning", "note"];
/** What a gateway is told to drop, or cannot help: said, but nothing that has to be mended here. */
const expected = new Set(["no_service", "ip_options", "fragment", "rate_limited", "denied", "inspected", "ttl_expired"]);
/** A reason counts as present for so long after its last packet. */
const lingering = 10;

/** The reasons that several backends have, the most frequent first. */
function reasonsOf(backends) {
  const numbers = new Map();
  for (const { reason } of backends) numbers.set(reason, (numbers.get(reason) ?? 0) + 1);
  const sorted = [...numbers].sort((a, b) => b[1] - a[1]);
  return listed(sorted.map(([reason, number]) => (number > 1 ? `${reason} (${number} of them)` : reason)));
}

function earliest(rows) {
  const times = rows.map((row) => unixTime(row.since)).filter((time) => time !== null);
  return times.length ? Math.min(...times) : null;
}

function latest(rows) {
  const times = rows.map((row) => unixTime(row.since)).filter((time) => time !== null);
  return times.length ? Math.max(...times) : null;
}

function ofTheProcess(state) {
  const found = state.ready.conditions
    .filter((condition) => !condition.ok)
    .map(({ condition, detail }) => ({
      level: condition === "process" ? "warning" : "bad",
      title: condition === "process" ? "The gateway is leaving" : `Not ready: ${condition}`,
      why: detail,
      at: { sources: "sources", ledger: "ledger" }[condition] ?? "machine",
      key: `ready/${condition}`,
      since: state.since[`not_ready/${condition}`],
    }));
  for (const worker of state.stuck_workers) {
    found.push({
      level: "bad",
      title: `Worker ${worker} stands still`,
      why: "It has not gone round for 5 s or more: its packets wait.",
      remedy: "`sluicectl doctor`; the log says more. /healthz fails, so that a service manager can restart it.",
      at: "machine",
      key: `stuck/${worker}`,
      since: state.since[`stuck/${worker}`],
    });
  }
  if (!state.system.last_apply_successful) {
    found.push({
      level: "warning",
      title: "The last change of the configuration was refused",
      why: `Generation ${state.system.generation} goes on as it was.`,
      remedy: "The log names each fault with its place in the file; `sluicectl config validate FILE` says them again.",
      at: "events",
      key: "apply",
      since: state.since.apply_refused,
    });
  }
  return found;
}

function ofPorts(state, rates) {
  const found = [];
  for (const port of state.system.ports) {
    if (!port.link_up) {
      found.push({
        level: "bad",
        title: `Port ${port.name} has no link`,
        why: "What would leave by it is dropped (tx_full), and nothing comes in.",
        remedy: "Look at the cable, the switch's port, or the kernel's interface.",
        at: "machine",
        key: `link/${port.name}`,
        since: state.since[`no_link/${port.name}`],
      });
    }
    const missed = rates.of(`port/${port.name}/missed`);
    if (missed > 0) {
      found.push({
        level: "warning",
        title: `Port ${port.name} misses ${short(missed)} packets a second`,
        why: "The device dropped them before a worker saw them: the workers are too slow for what comes.",
        remedy: "More workers, or a device with more queues.",
        at: "machine",
        key: `missed/${port.name}`,
        since: state.since[`missed/${port.name}`],
      });
    }
  }
  return found;
}

function ofWorkers(state) {
  const found = [];
  for (const worker of state.stats.workers) {
    if (worker.busy_ratio >= 0.95) {
      found.push({
        level: "warning",
        title: `Worker ${worker.worker} is busy ${percent(worker.busy_ratio)} of the time`,
        why: "Beyond that, packets wait and are missed.",
        remedy: "More workers (`gateway.workers`), or fewer services that share this CPU.",
        at: "machine",
        key: `busy/${worker.worker}`,
        since: state.since[`busy/${worker.worker}`],
      });
    }
    if (worker.flow_capacity > 0 && worker.flow_entries >= 0.9 * worker.flow_capacity) {
      found.push({
        level: "warning",
        title: `Worker ${worker.worker} remembers ${percent(worker.flow_entries / worker.flow_capacity)} of the flows it has room for`,
        why: "When it is full, unanswered flows give way, then those idle longest.",
        remedy: "`gateway.flow_table_entries`, or shorter `idle_timeout`.",
        at: "machine",
        key: `flows/${worker.worker}`,
        since: state.since[`flows/${worker.worker}`],
      });
    }
  }
  return found;
}

const indexes = new WeakMap(); // of documents: a map from pool to services

/** The services whose new flows go to a pool. */
export function servicesOf(state, pool) {
  if (!indexes.has(state)) {
    const index = new Map();
    for (const service of state.services.rows) {
      for (const name of service.pools) {
        if (!index.has(name)) index.set(name, []);
        index.get(name).push(service.service);
      }
    }
    indexes.set(state, index);
  }
  return indexes.get(state).get(pool) ?? [];
}

function ofPools(state) {
  const found = [];
  for (const pool of state.pools.rows) {
    const users = servicesOf(state, pool.pool);
    const inState = (word) => pool.backends.filter((backend) => backend.state === word);
    const down = inState("down");
    const at = `pool-${pool.pool}`;
    if (pool.available === 0) {
      const away = pool.backends.filter((backend) => backend.state !== "active");
      found.push({
        level: users.length ? "bad" : "note",
        title: `Pool ${pool.pool}: nobody takes new flows`,
        why: [
          pool.listed === 0 ? "It has no backend." : away.length ? `${reasonsOf(away)}.` : "Every weight is 0.",
          users.length ? `New flows of ${listed(users)} are dropped (no_backend), unless the pool fails open.` : "",
        ].filter(Boolean).join(" "),
        at,
        key: `pool/${pool.pool}`,
        since: latest(away),
      });
    } else if (down.length) {
      const [only] = down;
      const number = pool.states.down;
      found.push({
        level: "warning",
        title: number === 1
          ? `Backend ${endpoint(only.address, only.port)} of ${pool.pool} is down`
          : `${count(number)} of ${count(pool.listed)} backends of ${pool.pool} are down`,
        why: `${reasonsOf(down)}. The others take ${number === 1 ? "its" : "their"} flows.`,
        at,
        key: `pool/${pool.pool}`,
        since: earliest(down),
      });
    }
    for (const [word, what] of [["draining", "draining"], ["maintenance", "in maintenance"]]) {
      const rows = inState(word);
      if (!rows.length || pool.available === 0) continue;
      found.push({
        level: "note",
        title: rows.length === 1
          ? `Backend ${endpoint(rows[0].address, rows[0].port)} of ${pool.pool} is ${what}`
          : `${several(pool.states[word], "backend")} of ${pool.pool} are ${what}`,
        why: `${reasonsOf(rows)}.`,
        at,
        key: `pool/${pool.pool}/${word}`,
        since: earliest(rows),
      });
    }
  }
  return found;
}

function ofSources(state) {
  const words = {
    connecting: ["warning", "has not answered yet"],
    stale: ["warning", "does not answer: its last word holds"],
    held: ["warning", "says something that is held back"],
    failed: ["bad", "has failed"],
  };
  return state.sources
    .filter((source) => words[source.state])
    .map((source) => ({
      level: words[source.state][0],
      title: `Source ${source.name} ${words[source.state][1]}`,
      why: source.last_error && source.last_error !== source.reason
        ? [source.reason, source.last_error].filter(Boolean).join(": ")
        : source.reason,
      remedy: source.state === "held" ? `\`sluicectl source release ${source.name}\` lets it through.` : undefined,
      at: "sources",
      key: `source/${source.name}`,
      since: source.since,
    }));
}

function ofTunnels(state) {
  const words = {
    no_keys: ["bad", "has no keys"],
    exhausted: ["bad", "has used up its sequence numbers"],
    held: ["bad", "sends nothing: its lease of sequence numbers cannot be kept"],
  };
  return (state.tunnels ?? [])
    .filter((tunnel) => tunnel.state !== "up")
    .map((tunnel) => ({
      level: words[tunnel.state]?.[0] ?? "warning",
      title: `Tunnel ${tunnel.tunnel} ${words[tunnel.state]?.[1] ?? `is ${tunnel.state}`}`,
      why: "Nothing that its networks match leaves while it stands so.",
      at: "tunnels",
      key: `tunnel/${tunnel.tunnel}`,
      since: tunnel.since,
    }));
}

function ofTheLedger(state) {
  const { ledger } = state;
  if (!ledger) return [];
  const found = [];
  const add = (key, title, why) =>
    found.push({ level: "bad", title, why, at: "ledger", key: `ledger/${key}`, since: state.since[`ledger/${key}`] });
  if (ledger.failure) add("failure", "The ledger has failed", ledger.failure);
  if (ledger.disk_stalled) add("stalled", "The ledger's disk does not answer", "Transactions are refused (5.03) until it does.");
  if (ledger.disk_full) add("full", "The ledger's disk is full", "Transactions are refused (5.03) until there is room.");
  return found;
}

/** The spell of a drop reason that lasts still, or ended just now. */
export function isDroppingNow(drop, now) {
  return drop.last !== null && now - drop.last <= lingering;
}

/** How much attention a drop reason deserves now: warning, note, or null for none. */
export function levelOfDrop(drop, now) {
  if (!isDroppingNow(drop, now)) return null;
  return expected.has(drop.reason) ? "note" : "warning";
}

function ofDrops(state, rates, words) {
  return state.drops
    .filter((drop) => isDroppingNow(drop, state.time))
    .map((drop) => {
      const rate = rates.of(`drop/${drop.reason}`);
      return {
        level: levelOfDrop(drop, state.time),
        title: `Packets are dropped: ${drop.reason}, ${rate > 0 ? `${short(rate)} a second` : `the last ${duration(state.time - drop.last)} ago`}`,
        why: words[drop.reason]?.meaning.split(";")[0],
        remedy: words[drop.reason]?.remedy,
        at: `drop-${drop.reason}`,
        key: `drop/${drop.reason}`,
        since: drop.since,
      };
    });
}

/**
 * All that is wrong, the worst first and the newest first among its like: `{level, title, why, remedy, since, at, key}`;
 * `level` is bad, warning or note, `at` the part of the page that tells more. `words`: what drop reasons mean.
 */
export function problemsOf(state, rates, words) {
  const found = [
    ...ofTheProcess(state), ...ofPorts(state, rates), ...ofWorkers(state), ...ofPools(state), ...ofSources(state),
    ...ofTunnels(state), ...ofTheLedger(state), ...ofDrops(state, rates, words),
  ].map((problem) => ({ ...problem, since: unixTime(problem.since) }));
  return found.sort((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level) || (b.since ?? 0) - (a.since ?? 0));
}
