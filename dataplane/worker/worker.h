// The state of one worker thread, and the three things its role does with it. A worker owns all that it
// writes; it meets other threads at SPSC rings, at the published Tables and in its counters.
//
// The order of processing is rx_worker.cpp's and lb_worker.cpp's poll(), read top to bottom.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>
#include <vector>

#include "common/spsc_ring.h"
#include "dataplane/base/burst.h"
#include "dataplane/base/token_bucket.h"
#include "dataplane/device/transmit.h"
#include "dataplane/forward/client_ways.h"
#include "dataplane/forward/known_paths.h"
#include "dataplane/neighbor/mld_reporter.h"
#include "dataplane/neighbor/neighbors.h"
#include "dataplane/tables/drops.h"
#include "dataplane/tables/packet_watch.h"
#include "dataplane/tables/stats.h"
#include "dataplane/tables/tables.h"
#include "dataplane/worker/check_lane.h"
#include "dataplane/worker/police_state.h"
#include "dataplane/worker/worker_request.h"
#include "lb/balancer.h"
#include "lb/flow_accounts.h"
#include "ledger/source_rate.h"

namespace sluice::dataplane {

using PacketRing = SpscRing<rte_mbuf*>;

class HashWorker;
class EspWorker;      // dataplane/esp/esp_worker.h
class InspectWorker;  // dataplane/inspect/inspect_worker.h

/// What of ARP and NDP is copied to other workers, whose rings a flood shall not fill.
struct NeighborCopies {
  explicit NeighborCopies(RateLimit limit) : of_next_hops(limit), of_others(limit) {}
  TokenBucket of_next_hops;  ///< said of gateways and backends: strangers' chatter shall not hide it
  TokenBucket of_others;
  TokenBucket queries{10, 16};  ///< of MLD
};

/// Who this worker is among the others. Every balancing worker has an index below `balancers`; flows and
/// full-nat ports are split over those.
struct WorkerPlace {
  unsigned index = 0;     ///< among all workers: rx workers first, then lb workers
  unsigned balancer = 0;  ///< among those that balance (rx workers, or lb workers where there are any)
  unsigned balancers = 1;
  unsigned rx_workers = 1;
  bool receives = true;  ///< an rx worker
  bool balances = true;
  /// A flow's owner is a hash of its client, not who receives it: balancing is apart, or a device splits
  /// flows over its queues.
  bool owns_by_client = false;
};

/// A receive queue that a worker polls. A device may have fewer queues than there are workers: then some
/// workers have none of its queues; or more: then some have several.
struct ReceiveQueue {
  uint16_t device = 0;  ///< DPDK port id
  uint16_t queue = 0;
  uint8_t port = 0;  ///< configured port
};

struct Worker {
  WorkerPlace place;
  std::span<const ReceiveQueue> receive_queues;  ///< of the ports; empty while the gateway stops

  /// Refreshed at the top of every poll by the worker loop.
  const Tables* tables = nullptr;
  uint32_t now_ms = 0;  ///< monotonic, wraps
  uint64_t now_ns = 0;  ///< monotonic

  lb::Balancer balancer;
  Neighbors neighbors;
  MldReporter mld;  ///< of worker 0 alone
  KnownPaths paths;
  ClientWays client_ways{};
  Transmit transmit;
  Drops& drops;
  WorkerStats& stats;
  PacketWatch& watch;
  lb::FlowAccounts* accounts = nullptr;  ///< null: this worker has no flows
  rte_mempool* pool = nullptr;           ///< for packets that this worker makes itself

  /// Indexed by Worker place.index; null where no ring leads. Packets over `to_worker` are parsed and wait
  /// to be balanced (or are neighbor packets to be learnt from); over `to_transmit`, finished frames that a
  /// worker without TX queues wants sent; the worker loop alone fills and drains those (Transmit::relay).
  std::vector<PacketRing*> to_worker{};
  std::vector<PacketRing*> from_worker{};
  std::vector<PacketRing*> to_transmit{};
  std::vector<PacketRing*> from_transmit{};
  SpscRing<WorkerRequest*>* requests = nullptr;
  CheckLane* checks = nullptr;          ///< null: none come by here
  EspWorker* esp = nullptr;             ///< null: this worker neither encrypts nor decrypts
  InspectWorker* inspection = nullptr;  ///< null: this worker has no flows
  bool inspects = false;                ///< some service has an inspection, or had one

  /// The ledger ingress; empty and null without one. Rings by hash worker: transactions, as they were
  /// received, and answers, bare IP packets.
  std::vector<PacketRing*> to_hash{};
  std::vector<PacketRing*> from_hash{};
  HashWorker* hash = nullptr;  ///< that this worker runs besides: there are no lcores for hashing
  ledger::SourcePrefixes sources = ledger::SourcePrefixes::hosts();  ///< whose transactions stay together

  WorkerRequest* request = nullptr;        ///< being answered, step by step
  lb::FlowAdmission* admission = nullptr;  ///< the balancer's; null: this worker has no flows
  PoliceState police = {};
  TokenBucket kernel_budget;      ///< packets to the kernel's taps
  TokenBucket icmp_error_budget;  ///< ICMP errors that this worker makes itself
  TokenBucket echo_budget;        ///< echo requests that this worker answers
  NeighborCopies neighbor_copies;
};

/// The stages behind reception, for a burst that came in at `port`: forward what goes on with known flows;
/// parse the others, submit transactions, steer, balance and forward. Frames are consumed. Also the entry
/// point of benchmarks.
void process(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames);

/// One round of an rx worker: receive from every port, process, and transmit what others hand over. Returns
/// how many packets it touched.
unsigned poll_rx_worker(Worker& worker);

/// One round of a balancing worker apart from receiving. Returns how many packets it touched.
unsigned poll_lb_worker(Worker& worker);

/// Takes what other workers have handed over, a burst from each, through balance_and_forward(). Part of both
/// roles; for the worker loop also the way to drain. Returns how many packets it touched.
unsigned take_handed_over(Worker& worker);

/// The stages after steering, for a burst whose flows this worker owns. Packets are consumed.
void balance_and_forward(Worker& worker, std::span<rte_mbuf*> packets);

/// Takes the oldest request, where none is being answered. Call it before the newest Tables are taken: then
/// these are at least as new as those that were published when it was asked.
void take_request(Worker& worker);
/// Answers at most one bounded step of the request that was taken. False: there is none.
bool serve_request(Worker& worker);

}  // namespace sluice::dataplane
