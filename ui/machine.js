// Ports and workers.

import { byId } from "./dom.js";
import { count, percent, short, total } from "./format.js";
import { Table } from "./table.js";

let rates;

const ports = new Table({
  label: "Ports",
  kind: "ports",
  keyOf: (port) => port.port,
  columns: [
    { id: "name", name: "Port", text: (port) => port.port, title: (port) => `${port.driver}, ${port.mac}, MTU ${port.mtu}` },
    { id: "link", name: "Link", text: (port) => (port.link_up ? "up" : "down"), mark: (port) => (port.link_up ? "well" : "bad") },
    { id: "in", explain: "port_packets", name: "In/s", number: true, text: (port) => short(rates.of(`port/${port.port}/received`)) },
    { id: "out", explain: "port_packets", name: "Out/s", number: true, text: (port) => short(rates.of(`port/${port.port}/transmitted`)) },
    { id: "total", explain: "port_total", name: "Received", number: true, text: (port) => total(port.received_packets),
      title: (port) => `${count(port.received_packets)} packets, ${count(port.received_bytes)} bytes` },
    { id: "missed", explain: "port_missed", name: "Missed", number: true, text: (port) => total(port.missed_packets) },
  ],
});

const workers = new Table({
  label: "Workers",
  kind: "workers",
  keyOf: (worker) => worker.worker,
  columns: [
    { id: "name", name: "Worker", text: (worker) => `${worker.worker}, CPU ${worker.cpu}`, title: (worker) => worker.role.replaceAll("_", " ") },
    { id: "busy", explain: "worker_busy", name: "Busy", number: true, text: (worker) => percent(worker.busy_ratio) },
    { id: "flows", explain: "worker_flows", name: "Flow table", number: true,
      text: (worker) => `${count(worker.flow_entries)} of ${count(worker.flow_capacity)}` },
  ],
});

export function makeMachine() {
  byId("ports-table").append(ports.element);
  byId("workers-table").append(workers.element);
}

export function updateMachine(state, newRates) {
  rates = newRates;
  const details = new Map(state.system.ports.map((port) => [port.name, port]));
  ports.update(state.stats.ports.map((port) => ({ ...details.get(port.port), ...port })));
  workers.update(state.stats.workers);
}
