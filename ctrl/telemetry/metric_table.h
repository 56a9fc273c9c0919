// Every series of the gateway: its type, its labels and what it tells, which Prometheus and
// docs/reference/metrics.md say with the same words. Where its samples come from: the other files of this
// folder. Immutable; any thread.
#pragma once

#include <prometheus/metric_type.h>

#include <array>
#include <string_view>

namespace sluice::ctrl {

struct MetricRow {
  std::string_view name;
  prometheus::MetricType type;
  std::string_view labels;  ///< in the order in which samples have them, with ", " between them
  std::string_view help;
  std::string_view see = {};  ///< a page that tells more, below docs/
};

namespace metric_table {
using prometheus::MetricType;

/// In the order of the page.
inline constexpr auto kRows = std::to_array<MetricRow>({
    {"sluice_build_info", MetricType::Gauge, "version", "The version that runs, as a label."},
    {"sluice_config_generation", MetricType::Gauge, "",
     "Generation of the configuration; health and states leave it as it is."},
    {"sluice_config_last_apply_successful", MetricType::Gauge, "",
     "1, or 0 where the last attempt was refused."},
    {"sluice_control_step_seconds", MetricType::Histogram, "",
     "CPU time of each step of the control loop, which everybody who is connected waits for; none should "
     "reach 0.05."},
    {"sluice_log_lost_total", MetricType::Counter, "",
     "Log lines that stderr did not take in time; the log says how many, once it takes lines again."},
    {"sluice_log_repeats_total", MetricType::Counter, "",
     "Log lines that were left out because the same line had just been written five times; the log says how "
     "many."},
    {"sluice_events_dropped_total", MetricType::Counter, "sink",
     "Events that did not reach who follows them: `socket` and `sse`, where one did not keep up and was "
     "closed; `nats`, where no server took them for long.",
     "how-to/follow-events.md"},
    {"sluice_trace_spans_total", MetricType::Counter, "result",
     "What became of spans: `exported`, a receiver has them; `dropped`, there was no room for them, or no "
     "time "
     "at the end; `failed`, no receiver took them.",
     "how-to/trace-with-opentelemetry.md"},
    {"sluice_flow_log_records_total", MetricType::Counter, "",
     "Flows that have ended and of which the flow log has told: lines that the file took, or records that "
     "were "
     "sent to the collector.",
     "how-to/log-flows.md"},
    {"sluice_flow_log_lost_total", MetricType::Counter, "",
     "Flows that have ended and of which the flow log has not told, though they are in its sample: with "
     "`sluice_flow_log_records_total` these are all that ended since.",
     "how-to/log-flows.md"},
    {"process_cpu_seconds_total", MetricType::Counter, "", "CPU time of all threads."},
    {"process_resident_memory_bytes", MetricType::Gauge, "", "Memory that is resident, without huge pages."},
    {"process_virtual_memory_bytes", MetricType::Gauge, "", "Address space in use."},
    {"process_open_fds", MetricType::Gauge, "", "Open file descriptors."},
    {"process_max_fds", MetricType::Gauge, "", "How many file descriptors may be open."},
    {"process_threads", MetricType::Gauge, "", "Threads of the process."},
    {"process_start_time_seconds", MetricType::Gauge, "", "When the process began, in Unix seconds."},
    {"sluice_port_received_packets_total", MetricType::Counter, "port", "Frames received."},
    {"sluice_port_received_bytes_total", MetricType::Counter, "port", "Bytes of frames received."},
    {"sluice_port_transmitted_packets_total", MetricType::Counter, "port", "Frames sent."},
    {"sluice_port_transmitted_bytes_total", MetricType::Counter, "port", "Bytes of frames sent."},
    {"sluice_port_missed_packets_total", MetricType::Counter, "port",
     "Frames that the device dropped before a worker saw them."},
    {"sluice_port_link_up", MetricType::Gauge, "port",
     "1 while the port's link is up, of a kernel interface while it is there, up, and has a carrier. Changes "
     "are in the log, and what would be sent meanwhile is dropped (`tx_full`)."},
    {"sluice_dropped_packets_total", MetricType::Counter, "reason", "Packets dropped, by reason.",
     "reference/drop-reasons.md"},
    {"sluice_service_packets_total", MetricType::Counter, "service",
     "Packets sent to backends of the service."},
    {"sluice_service_bytes_total", MetricType::Counter, "service", "Bytes sent to backends of the service."},
    {"sluice_service_flows_total", MetricType::Counter, "service", "Flows of the service begun."},
    {"sluice_service_return_packets_total", MetricType::Counter, "service",
     "Packets from backends of the service to clients. Only of services with `full-nat` or `dnat`: in the "
     "other modes they do not come by here."},
    {"sluice_service_return_bytes_total", MetricType::Counter, "service",
     "Bytes from backends of the service to clients, as received."},
    {"sluice_backend_packets_total", MetricType::Counter, "pool, backend", "Packets sent to the backend."},
    {"sluice_backend_bytes_total", MetricType::Counter, "pool, backend", "Bytes sent to the backend."},
    {"sluice_backend_flows_total", MetricType::Counter, "pool, backend", "Flows begun with the backend."},
    {"sluice_backend_active_flows", MetricType::Gauge, "pool, backend", "Flows that the backend has now."},
    {"sluice_backend_state", MetricType::Gauge, "pool, backend, state",
     "1 for the state that the backend has: `active`, `draining`, `down` or `maintenance`."},
    {"sluice_backend_transitions_total", MetricType::Counter, "pool, backend",
     "How often its state changed since the gateway knows it."},
    {"sluice_pool_available_backends", MetricType::Gauge, "pool",
     "Backends that take new flows: active, with a weight above 0."},
    {"sluice_pool_panic", MetricType::Gauge, "pool",
     "1 while the pool balances over backends that are down, too: `panic` or `fail_open`. Absent without."},
    {"sluice_service_handshake_seconds", MetricType::Histogram, "service",
     "From SYN to SYN-ACK. Only of TCP services with `full-nat` or `dnat`: in the other modes answers do not "
     "come by here."},
    {"sluice_backend_handshake_seconds", MetricType::Gauge, "pool, backend",
     "The same of a backend, as least-response-time goes by it: peaks count at once and fade slowly, a RST "
     "or "
     "a timeout is 1 s at least; the mean of the workers that know.",
     "explanation/failing-backends.md"},
    {"sluice_mirror_packets_total", MetricType::Counter, "outcome",
     "Copies for mirrors: `sent`, or `lost` because there was no backend, no room or no way; `answered` is "
     "what "
     "came back. Only where a service has `mirror`.",
     "how-to/shadow-traffic.md"},
    {"sluice_source_synced", MetricType::Gauge, "source", "1 while all that the source last said counts.",
     "explanation/sources.md"},
    {"sluice_source_updates_total", MetricType::Counter, "source",
     "Answers of the source that changed something."},
    {"sluice_source_errors_total", MetricType::Counter, "source", "Attempts to ask the source that failed."},
    {"sluice_source_unreadable_total", MetricType::Counter, "source",
     "Entries of the source that were left out, each once: they could not be read, or their pool cannot "
     "serve them."},
    {"sluice_source_repairs_total", MetricType::Counter, "source",
     "Entries that a whole list of the source had otherwise than its watch had told."},
    {"sluice_source_last_success_timestamp_seconds", MetricType::Gauge, "source",
     "When the source last answered, in Unix seconds. Absent until then."},
    {"sluice_source_instances", MetricType::Gauge, "source, pool",
     "Instances that the source names for the pool."},
    {"sluice_source_held", MetricType::Gauge, "source, pool",
     "1 while an update is held back until `source.release`."},
    {"sluice_source_accuracy_ratio", MetricType::Gauge, "source",
     "Of the source's instances that are checked: the share that it offers and that are healthy, or that it "
     "does not and that are not. Absent where none is checked."},
    {"sluice_set_prefixes", MetricType::Gauge, "set", "Prefixes that the set has.", "how-to/block-a-list.md"},
    {"sluice_set_read_failures_total", MetricType::Counter, "set",
     "How often the set's file was read again in vain, so that the old content stayed."},
    {"sluice_set_read_timestamp_seconds", MetricType::Gauge, "set",
     "When what the set has was read, in Unix seconds."},
    {"sluice_inspection_matches_total", MetricType::Counter, "inspection, rule",
     "How often the rule, by its id, matched: once at most in each payload, or flow with mode stream.",
     "how-to/inspect-traffic.md"},
    {"sluice_inspection_scanned_bytes_total", MetricType::Counter, "inspection", "Bytes that were scanned."},
    {"sluice_inspection_held_dropped_total", MetricType::Counter, "inspection",
     "Segments that came before what is due, and for which there was no room, or no end to waiting."},
    {"sluice_inspection_ambiguous_total", MetricType::Counter, "inspection",
     "Segments that were dropped for they had other bytes at places that were taken."},
    {"sluice_inspection_streams_exceeded_total", MetricType::Counter, "inspection",
     "Flows that went by packet, for there were as many streams as may be."},
    {"sluice_inspection_streams", MetricType::Gauge, "inspection", "Streams that are being looked at."},
    {"sluice_inspection_ready", MetricType::Gauge, "inspection",
     "Whether its rules count: 0 while its first ones are being compiled."},
    {"sluice_inspection_read_failures_total", MetricType::Counter, "inspection",
     "How often the file of its rules was read again in vain, so that the old ones stayed."},
    {"sluice_tunnel_packets_total", MetricType::Counter, "tunnel, direction",
     "Packets that came by the ESP tunnel, or were sent by it."},
    {"sluice_tunnel_bytes_total", MetricType::Counter, "tunnel, direction",
     "Bytes of them, as they are inside of it."},
    {"sluice_tunnel_dropped_packets_total", MetricType::Counter, "tunnel, reason",
     "Packets dropped as `denied` at the tunnel."},
    {"sluice_tunnel_up", MetricType::Gauge, "tunnel", "1 while the tunnel has keys and sequence numbers."},
    {"sluice_registry_instances", MetricType::Gauge, "",
     "Instances that have registered themselves; the three of `sluice_registry` only with `registry`.",
     "how-to/register-a-service.md"},
    {"sluice_registry_watchers", MetricType::Gauge, "", "Clients of the registry that wait for changes."},
    {"sluice_registry_expired_total", MetricType::Counter, "",
     "Leases of the registry that ended because nobody renewed them."},
    {"sluice_authentications_total", MetricType::Counter, "result, reason",
     "Requests to `remote.listen` by what became of their credentials: `success` or `failure`, and why; this "
     "and "
     "the two of `sluice_remote` only with `remote`.",
     "how-to/control-from-afar.md"},
    {"sluice_remote_connection_faults_total", MetricType::Counter, "reason",
     "What connections to `remote.listen` did besides asking: ended by a failed or slow handshake, a slow or "
     "malformed request, renegotiation, or for others (`crowded`); or sent early data, which was thrown "
     "away."},
    {"sluice_remote_files_rejected_total", MetricType::Counter, "file",
     "Times that `tls` files or the key set of `jwt` had changed and were no good: what was good last "
     "counts."},
    {"sluice_audit_lost_total", MetricType::Counter, "",
     "Lines that `audit.file` did not take; the log has them. Only with `audit.file`."},
    {"sluice_change_seconds", MetricType::Histogram, "cause",
     "From when a change (`config`, `source`, `health`, `ejection`, `operator`) was seen to when every "
     "worker had it.",
     "packet-walk.md"},
    {"sluice_health_checks_total", MetricType::Counter, "pool, result",
     "Health checks that ended: `passed`, `failed`, or `unknown`, which could not be made; only of pools "
     "that are checked.",
     "explanation/health-checks.md"},
    {"sluice_flow_table_entries", MetricType::Gauge, "worker", "Flows that the worker remembers."},
    {"sluice_flow_table_capacity", MetricType::Gauge, "worker", "Flows that the worker has room for."},
    {"sluice_flow_table_full_total", MetricType::Counter, "worker",
     "New flows that found the table full: another gave way, or they are balanced by hash without being "
     "remembered."},
    {"sluice_snat_ports_reused_total", MetricType::Counter, "worker",
     "Ports of SNAT addresses that TCP connections to a backend took again within 60 s of the last one's "
     "end, of which the backend is told.",
     "explanation/flows.md"},
    {"sluice_snat_ports_in_use", MetricType::Gauge, "worker",
     "Ports of SNAT addresses that flows have; one port serves one flow to each backend, and counts once for "
     "each."},
    {"sluice_backend_snat_ports_capacity", MetricType::Gauge, "pool, backend",
     "Flows of `full-nat` that the backend can have at once: 64,512 for each SNAT address of its family, "
     "spread over the workers; only of pools behind `full-nat`. Alert where `sluice_backend_active_flows` "
     "comes near it: more addresses in `snat` are what helps, and new flows are dropped `port_exhausted` "
     "until then."},
    {"sluice_flow_evicted_total", MetricType::Counter, "state",
     "Flows that gave their entry or port up to others, by what was lost: `answered`, `unanswered`, "
     "`closing`.",
     "explanation/flows.md"},
    {"sluice_worker_busy_ratio", MetricType::Gauge, "worker",
     "Share of the last second in which the worker had packets. Hash workers with a CPU of their own are "
     "counted on after the workers."},
    {"sluice_worker_long_turn_seconds", MetricType::Histogram, "worker",
     "Turns of the worker's loop that kept it from its queues for more than 0.00005, what took its CPU away "
     "included; shorter ones are not in it. Many above 0.0005 on a worker that has its CPU to itself: the "
     "machine takes it away."},
    {"sluice_ring_full_total", MetricType::Counter, "ring",
     "Packets that the ring from a worker to others did not take; only with several workers, or a ledger."},
    {"sluice_address_conflicts_total", MetricType::Counter, "port",
     "ARP and NDP messages of other stations that claim an address of ours: port, SNAT or VIP."},
    {"sluice_neighbor_changes_total", MetricType::Counter, "worker",
     "Neighbors that the worker found at another MAC address; every worker finds out by itself.",
     "explanation/neighbors.md"},
    {"sluice_neighbor_contests_total", MetricType::Counter, "worker",
     "Claims that a neighbor had moved, which the neighbor itself refuted."},
    {"sluice_neighbor_copies_withheld_total", MetricType::Counter, "worker",
     "ARP and NDP packets that the worker did not copy to the others, being beyond "
     "`gateway.limits.neighbor_copies`."},
    {"sluice_notices_lost_total", MetricType::Counter, "worker",
     "Notices of the worker (conflicts, changes, contests) that there was no room to log."},
    {"sluice_ledger_transactions_total", MetricType::Counter, "outcome",
     "Transactions: `received` counts all; the others are what became of them: `stored`, `duplicate`, "
     "`refused_...`, `dropped_...`."},
    {"sluice_ledger_blocks_total", MetricType::Counter, "", "Durable blocks of the log."},
    {"sluice_ledger_tree_size", MetricType::Gauge, "", "Durable transactions of the log."},
    {"sluice_ledger_stalled", MetricType::Gauge, "",
     "1 while the log's disk does not answer and transactions are refused."},
    {"sluice_ledger_answers_lost_total", MetricType::Counter, "",
     "Answers that no ring or buffer was free for: their clients ask again, and get the same."},
    {"sluice_ledger_block_transactions", MetricType::Histogram, "", "Transactions of each block."},
    {"sluice_ledger_ack_seconds", MetricType::Histogram, "",
     "From a transaction's reception to its receipt."},
    {"sluice_ledger_sha256_engine_info", MetricType::Gauge, "engine",
     "1, for the SHA-256 engine that hashes transactions."},
});
}  // namespace metric_table

/// The row of a series. One that is not in the table does not compile.
consteval const MetricRow& metric(std::string_view name) {
  for (const MetricRow& row : metric_table::kRows) {
    if (row.name == name) return row;
  }
  throw "a series without a row in the table";
}

}  // namespace sluice::ctrl
