// The one table of who runs where and which ring leads from whom to whom. It is computed once, from the
// configuration and the devices; threads and rings are made from it, and `system.topology` shows it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/device/boot_config.h"
#include "dataplane/device/port.h"
#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

enum class ThreadRole : uint8_t {
  kControl,         ///< lcore 0: everything that is no packet
  kWorker,          ///< receives, and balances where there are no LB workers
  kLbWorker,        ///< balances
  kHashWorker,      ///< hashes transactions
  kJournal,         ///< writes the log of the ledger
  kJournalSync,     ///< waits for the disk on behalf of the journal
  kCheckpointSync,  ///< the same for checkpoints, which no receipt shall wait for
};
inline constexpr size_t kThreadRoles = static_cast<size_t>(ThreadRole::kCheckpointSync) + 1;

struct Thread {
  ThreadRole role = ThreadRole::kControl;
  unsigned index = 0;  ///< among those of its role
  /// Nothing: the kernel chooses among the CPUs that the process may run on.
  std::optional<unsigned> cpu;

  /// `control`, `worker 1`, `hash_worker 0`, ...
  std::string name() const;
};

enum class RingUse : uint8_t {
  kPackets,        ///< parsed packets, to who balances them; ARP and NDP to every worker
  kFrames,         ///< finished frames, to a worker that has a transmit queue
  kQuestions,      ///< about flows, to the worker that owns them
  kNotices,        ///< for the log
  kChecks,         ///< packets of health checks that go through services
  kCheckAnswers,   ///< and what backends answer to them
  kTransactions,   ///< as received, to the hash worker of their source
  kAnswers,        ///< to clients of the ledger, to the worker that received their requests
  kHashed,         ///< transactions with their hashes, to the sealing hash worker
  kReleased,       ///< and their memory back
  kReceipts,       ///< and what became of them
  kSubmitted,      ///< transactions and questions of the control socket
  kSealedBlocks,   ///< to the journal
  kDurableBlocks,  ///< and back
  kLookUps,        ///< receipts of repeats that lack their leaf hash
  kLookedUp,       ///< and back
};
inline constexpr size_t kRingUses = static_cast<size_t>(RingUse::kLookedUp) + 1;

struct ThreadRoleRow {
  std::string_view name;
  std::string_view help;
};
struct RingUseRow {
  std::string_view name;
  std::string_view help;
  size_t size;  ///< of each ring, in what it carries; a power of two
};
const ThreadRoleRow& row_of(ThreadRole role);
const RingUseRow& row_of(RingUse use);

/// A single-producer, single-consumer ring. Both ends may be one thread: a worker that hashes in place.
struct Ring {
  RingUse use = RingUse::kPackets;
  unsigned from = 0;  ///< indexes of Topology::threads
  unsigned to = 0;

  size_t size() const { return row_of(use).size; }
};

struct Topology {
  /// The control thread, workers (those that receive first), hash workers: the index of these is their lcore.
  /// Behind them come those that are no lcores.
  std::vector<Thread> threads;
  std::vector<Ring> rings;
  std::vector<WorkerPlace> places;                        ///< by worker
  std::vector<std::vector<ReceiveQueue>> receive_queues;  ///< by worker
  /// By hash worker, the thread that runs it; empty without a ledger. Where no CPU is given to hashing, it is
  /// the worker of the same index.
  std::vector<unsigned> hash_threads;

  unsigned workers() const { return static_cast<unsigned>(places.size()); }
  bool hashes_in_place() const;
};

/// rx workers hand packets to every other worker (flows to balancers, neighbor packets to all), balancers
/// to each other. A worker beyond a device's TX queues hands frames to one that has a queue on every device.
Topology plan_topology(const BootConfig& config, std::span<const PortPlan> ports);

}  // namespace sluice::dataplane
