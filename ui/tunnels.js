// Ways to other sites.

import { updateCards } from "./cards.js";
import { byId, show } from "./dom.js";
import { count, short } from "./format.js";

function card(tunnel, rates) {
  const dropped = Object.entries(tunnel.dropped ?? {}).filter(([, number]) => number > 0);
  return {
    title: tunnel.tunnel,
    kind: `${tunnel.local} to ${tunnel.remote}`,
    state: tunnel.state === "up" ? "up" : tunnel.state.replaceAll("_", " "),
    level: tunnel.state === "up" ? "well" : "bad",
    why: "",
    since: tunnel.since,
    figures: [
      ["tunnel_packets", "Packets/s in, out", `${short(rates.of(`tunnel/${tunnel.tunnel}/in`))}, ${short(rates.of(`tunnel/${tunnel.tunnel}/out`))}`,
        `${count(tunnel.packets_in)} in and ${count(tunnel.packets_out)} out since the start`],
      ["tunnel_dropped", "Dropped", dropped.length ? dropped.map(([reason, number]) => `${reason} ${count(number)}`).join(", ") : "0"],
    ],
  };
}

export function updateTunnels(state, rates) {
  const tunnels = state.tunnels ?? [];
  show(byId("tunnels-none"), tunnels.length === 0);
  updateCards(byId("tunnels-list"), tunnels.map((tunnel) => card(tunnel, rates)), state.time);
}
