// How fast counters grow, from one document to a later one. Pure.

/** Rates are means over about so many seconds: calm, and no older than the page promises. */
const span = 2;

/** Keeps what was counted lately, by name, for as many names as there are. */
export class Rates {
  #documents = []; // {time, counters: Map}, oldest first

  /** `counters`: a Map from name to count at `time`, in seconds. */
  add(time, counters) {
    const last = this.#documents.at(-1);
    if (last && time <= last.time) {
      if (time === last.time) return; // the same document, seen twice
      this.#documents = []; // the gateway's clock went back
    }
    this.#documents.push({ time, counters });
    while (this.#documents.length > 2 && time - this.#documents[1].time >= span) this.#documents.shift();
  }

  /** For a second; NaN where there is nothing to compare with yet, or counting began anew. */
  of(name) {
    const first = this.#documents[0];
    const last = this.#documents.at(-1);
    const before = first?.counters.get(name);
    const now = last?.counters.get(name);
    if (first === last || before === undefined || now === undefined || now < before) return NaN;
    return (now - before) / (last.time - first.time);
  }

  /** What was told before a gap does not tell how fast it is now. */
  forget() {
    this.#documents = [];
  }
}

/** Every counter of a document that the page shows the rate of. */
export function countersOf(state) {
  const counters = new Map();
  const stats = state.stats;
  counters.set("received", stats.received_packets);
  counters.set("transmitted", stats.transmitted_packets);
  counters.set("dropped", stats.dropped_packets);
  let bytesIn = 0;
  let bytesOut = 0;
  for (const port of stats.ports) {
    bytesIn += port.received_bytes;
    bytesOut += port.transmitted_bytes;
    counters.set(`port/${port.port}/received`, port.received_packets);
    counters.set(`port/${port.port}/transmitted`, port.transmitted_packets);
    counters.set(`port/${port.port}/received_bytes`, port.received_bytes);
    counters.set(`port/${port.port}/transmitted_bytes`, port.transmitted_bytes);
    counters.set(`port/${port.port}/missed`, port.missed_packets);
  }
  counters.set("received_bytes", bytesIn);
  counters.set("transmitted_bytes", bytesOut);
  for (const drop of state.drops) counters.set(`drop/${drop.reason}`, drop.count);
  for (const service of state.services.rows) {
    for (const what of ["packets", "bytes", "flows"]) counters.set(`service/${service.service}/${what}`, service[what]);
  }
  counters.set("flows", state.services.flows);
  for (const pool of state.pools.rows) {
    for (const backend of pool.backends) {
      counters.set(`backend/${pool.pool}/${backend.address}/${backend.port}`, backend.packets);
    }
  }
  for (const tunnel of state.tunnels ?? []) {
    counters.set(`tunnel/${tunnel.tunnel}/in`, tunnel.packets_in);
    counters.set(`tunnel/${tunnel.tunnel}/out`, tunnel.packets_out);
  }
  if (state.ledger) {
    for (const [outcome, number] of Object.entries(state.ledger.transactions)) counters.set(`ledger/${outcome}`, number);
  }
  return counters;
}
