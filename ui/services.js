// What clients connect to.

import { byId, element, setAttribute, setText, show } from "./dom.js";
import { count, several, short, total } from "./format.js";
import { Table } from "./table.js";

let rates;
let pools; // by name

function poolsText(service) {
  const names = service.pools;
  if (!names.length) return "none";
  return names
    .map((name) => {
      const pool = pools.get(name);
      return pool ? `${name} ${count(pool.available)}/${count(pool.listed)}` : name;
    })
    .join(", ");
}

function poolsSign(service) {
  const used = service.pools.map((name) => pools.get(name)).filter(Boolean);
  if (used.some((pool) => pool.available === 0)) return "bad";
  return used.some((pool) => pool.available < pool.listed) ? "warning" : "well";
}

const rate = (what) => (service) => short(rates.of(`service/${service.service}/${what}`));

function addressText({ address, port, protocol }) {
  const host = address.includes(":") ? `[${address}]` : address;
  return port === "any" ? `${host}, any ${protocol} port` : `${host}:${port} ${protocol}`;
}

/** A cell of two lines: what it is, and softer what it is besides. */
function twoLines(first, second, sign) {
  return {
    make: () => [sign && element("i", { "aria-hidden": "true", class: "sign" }), element("span", { class: "first" }),
      element("span", { class: "second" })].filter(Boolean),
    update(cell, service) {
      setText(cell.querySelector(".first"), first(service));
      setText(cell.querySelector(".second"), second(service));
      if (sign) setAttribute(cell.querySelector(".sign"), "data-sign", sign(service));
      setAttribute(cell, "title", `${first(service)}, ${second(service)}`);
    },
  };
}

const table = new Table({
  label: "Services",
  kind: "services",
  keyOf: (service) => service.service,
  columns: [
    { id: "name", explain: "service", name: "Service", ...twoLines((service) => service.service, addressText) },
    { id: "pools", explain: "service_pools", name: "Pool",
      ...twoLines(poolsText, (service) => `${service.forward}, ${service.policy}`, poolsSign) },
    { id: "packets", explain: "service_packets", name: "Packets/s", number: true, text: rate("packets") },
    { id: "bits", explain: "service_bits", name: "Bit/s", number: true, text: (service) => short(rates.of(`service/${service.service}/bytes`) * 8) },
    { id: "flows", explain: "service_flows", name: "Flows", number: true, text: (service) => total(service.active_flows) },
    { id: "new", explain: "service_new", name: "New flows/s", number: true, text: rate("flows") },
    { id: "total", explain: "service_total", name: "Packets", short: "In all", number: true,
      text: (service) => total(service.packets), title: (service) => `${count(service.packets)} packets, ${count(service.bytes)} bytes` },
  ],
});

export function makeServices() {
  byId("services-table").append(table.element);
}

export function updateServices(state, newRates) {
  rates = newRates;
  pools = new Map(state.pools.rows.map((pool) => [pool.pool, pool]));
  const { rows, omitted } = state.services;
  show(table.element, rows.length > 0);
  show(byId("services-none"), rows.length === 0);
  setText(byId("services-count"), rows.length ? count(rows.length + omitted) : "");
  show(byId("services-omitted"), omitted > 0);
  setText(byId("services-omitted"), `${several(omitted, "service")} more: sluicectl service list has them all.`);
  table.update(rows);
}
