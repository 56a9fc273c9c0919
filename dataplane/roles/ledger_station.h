// All that belongs to the ledger ingress: its memory, its hash workers, its journal, its counters. Made and
// destroyed by the control thread while no worker runs.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/result.h"
#include "dataplane/base/mapped_array.h"
#include "dataplane/ingress/hash_worker.h"
#include "dataplane/ingress/journal_thread.h"
#include "dataplane/ingress/sealer.h"
#include "dataplane/tables/ledger_config.h"
#include "ledger/file_system.h"

namespace sluice::dataplane {

class Surroundings;

/// What a ledger station is made from. Borrowed until it is made; `files` and the pools outlive it.
struct LedgerPlan {
  const LedgerConfig& config;
  ledger::FileSystem& files;
  std::span<rte_mempool* const> pools;   ///< one for each hash worker, on its NUMA node
  std::span<const uint16_t> port_mtus;   ///< by configured port
  int numa_node = -1;                    ///< of the first hash worker
  Surroundings* surroundings = nullptr;  ///< as in BootConfig
};

/// Functions are for the control thread.
class LedgerStation {
 public:
  /// Chooses the hash engine, opens the log and fills the dedupe window from it. An Error's pointer is of the
  /// field of `ledger` that it is about.
  static Result<std::unique_ptr<LedgerStation>> create(const LedgerPlan& plan);
  LedgerStation(const LedgerStation&) = delete;
  LedgerStation& operator=(const LedgerStation&) = delete;
  /// No lcore uses the hash workers any more.
  ~LedgerStation() = default;

  unsigned hash_workers() const { return static_cast<unsigned>(hash_workers_.size()); }
  HashWorker& hash_worker(unsigned index) { return *hash_workers_[index]; }
  const HashWorker& hash_worker(unsigned index) const { return *hash_workers_[index]; }
  Sealer& sealer() { return *sealer_; }
  const Sealer& sealer() const { return *sealer_; }
  const JournalThread& journal() const { return *journal_; }
  crypto::Sha256Engine engine() const { return engine_; }
  /// Of every thread that transactions end at.
  std::vector<const ledger::OutcomeCounters*> counters() const;

  /// Once for each rx worker, by index; rings by hash worker. They and the worker outlive the polls.
  void connect(Worker& worker, std::span<PacketRing* const> to_hash, std::span<PacketRing* const> from_hash);
  /// Before the workers start: what Tables::ingress says, and the journal's threads.
  Result<void> start(std::shared_ptr<const std::vector<Ingress>> ingress);
  /// While the workers run and receive nothing more: sees to it that every transaction is durable or refused,
  /// and its answer on the way. Gives up after some seconds, which only a disk that hangs can take.
  void drain();
  /// After the workers have stopped: ends the journal with a last checkpoint. Idempotent. Gives up after some
  /// seconds, too: then is_stuck().
  void stop();
  bool has_stopped() const { return has_stopped_; }
  /// Whether a thread still waits for a disk that does not answer. Destroying the station waits for it, too.
  bool is_stuck() const { return is_stuck_; }

 private:
  LedgerStation() = default;
  Result<void> open_log(const LedgerPlan& plan, const ledger::IngestLimits& limits);
  Result<void> make_hash_workers(const LedgerPlan& plan, const ledger::IngestLimits& limits);
  bool has_hashed_all() const;
  void sleep_a_millisecond() const;
  /// Waits until that is so twice, two polls of every hash worker apart: a transaction may be in a worker's
  /// hands while every ring is empty.
  template <typename Condition>
  void wait_for(Condition is_so) const;

  Surroundings* surroundings_ = nullptr;
  crypto::Sha256Engine engine_ = crypto::Sha256Engine::openssl;
  ledger::SourcePrefixes sources_ = ledger::SourcePrefixes::hosts();
  MappedArray<std::byte> window_;
  std::optional<ledger::RecentIds> ids_;
  std::unique_ptr<JournalRings> journal_rings_;
  std::unique_ptr<JournalThread> journal_;
  std::vector<std::unique_ptr<JobRing>> job_rings_;
  std::vector<std::unique_ptr<AnswerRing>> answer_rings_;
  std::unique_ptr<Sealer> sealer_;
  std::vector<std::unique_ptr<HashWorker>> hash_workers_;
  std::vector<const Worker*> rx_workers_;
  std::shared_ptr<const std::vector<Ingress>> ingress_;
  bool has_stopped_ = false;
  bool is_stuck_ = false;
};

}  // namespace sluice::dataplane
