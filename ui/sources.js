// Where backends come from, besides the configuration.

import { byId, show } from "./dom.js";
import { count, duration, several } from "./format.js";
import { updateCards } from "./cards.js";

const levels = { synced: "well", connecting: "warning", stale: "warning", held: "warning", failed: "bad" };

function card(source, now) {
  const instances = source.pools.reduce((sum, pool) => sum + pool.instances, 0);
  const isWell = source.state === "synced";
  const why = [source.reason, isWell || source.last_error === source.reason ? "" : source.last_error].filter(Boolean).join(": ");
  return {
    title: source.name,
    kind: source.type,
    state: source.state,
    level: levels[source.state] ?? "warning",
    why: isWell || !why ? "" : `${why}.`.replace(/\.\.$/, "."),
    since: source.since,
    figures: [
      ["source_instances", "Instances", `${count(instances)} in ${several(source.pools.length, "pool")}`,
        source.pools.map((pool) => `${pool.pool} ${pool.instances}${pool.held ? " (held)" : ""}`).join(", ")],
      ["source_updates", "Updates, errors", `${count(source.updates)}, ${count(source.errors)}`],
      ["source_success", "Last word", source.last_success === null ? "none yet" : `${duration(now - source.last_success)} ago`],
    ],
  };
}

export function updateSources(state) {
  show(byId("sources-none"), state.sources.length === 0);
  updateCards(byId("sources-list"), state.sources.map((source) => card(source, state.time)), state.time);
}
