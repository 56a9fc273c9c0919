// What one worker counts. Written by that worker alone with relaxed stores, read by the control thread
// whenever it likes; nobody sends anybody a message for it.
#pragma once

#include <array>
#include <cstdint>

#include "common/counter.h"
#include "common/histogram.h"
#include "dataplane/base/drop_reason.h"
#include "dataplane/tables/port_view.h"
#include "lb/evicted_flows.h"
#include "ledger/outcome.h"

namespace sluice::dataplane {

struct PortCounters {
  Counter received_packets;
  Counter received_bytes;  ///< Ethernet frames without FCS
  Counter transmitted_packets;
  Counter transmitted_bytes;
};

/// Turns of a worker's loop that take longer than this keep it from its queues for too long to go unnoticed.
inline constexpr uint64_t kLongTurnNs = 50'000;
inline constexpr std::array<uint64_t, 9> kLongTurnBoundsNs = {
    100'000, 200'000, 500'000, 1'000'000, 2'000'000, 5'000'000, 10'000'000, 50'000'000, 250'000'000};

/// Whenever nothing is in flight, over all workers and ports:
///   received + originated = transmitted + dropped + consumed.
struct alignas(64) WorkerStats {
  std::array<Counter, kDropReasons> dropped;
  std::array<PortCounters, kMaxPorts> ports;
  Counter consumed;     ///< frames taken for good and no drop: ARP and NDP read, handed to the
                        ///< kernel's tap or to a hash worker
  Counter originated;   ///< frames made here: ARP, NDP, ICMP, ledger answers, copies for other workers, what
                        ///< the tap gives
  Counter ring_full;    ///< packets that a ring from this worker did not take
  Counter busy_cycles;  ///< TSC cycles in polls that found a packet
  Counter idle_cycles;  ///< TSC cycles in polls that found none, and asleep
  Counter polls;        ///< a heartbeat
  Counter mirrored;     ///< copies of packets for mirrors; part of `originated`
  Counter mirror_lost;  ///< packets that could not be copied
  Counter mirror_answers;            ///< what came back from mirrors; part of `consumed`
  Counter neighbor_copies_withheld;  ///< ARP and NDP packets that other workers did not get to see
  Gauge flow_entries;
  Counter flow_table_full;
  lb::EvictedFlows flows_evicted;
  Counter snat_ports_reused;
  Gauge snat_ports_in_use;
  Gauge neighbors;
  ledger::OutcomeCounters transactions;     ///< that ended at this worker: a ring did not take them
  Histogram long_turns{kLongTurnBoundsNs};  ///< of its loop, without its rests; shorter ones are not in it
};

}  // namespace sluice::dataplane
