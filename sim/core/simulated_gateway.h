// A whole gateway without threads: its control store, its tables, its workers' loops, its ledger's hash
// workers, journal and syncs, under a virtual clock. The libraries are the daemon's; what is the simulator's
// own are the devices, the disk, the time, the seeds, and whose turn it is. Several may be in a process,
// where they share EAL, which ends with it; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "common/flow_key.h"
#include "ctrl/intent/model.h"
#include "ctrl/store/gateway.h"
#include "ctrl/store/time_source.h"
#include "dataplane/device/surroundings.h"
#include "dataplane/ingress/journal_thread.h"
#include "dataplane/worker/worker_request.h"
#include "sim/core/frame.h"
#include "sim/core/ring_device.h"
#include "sim/core/scratch_directory.h"

namespace sluice::sim {

/// What `gateway.eal` and the CPU of every worker are in a simulation; `gateway.idle` is `poll`. A
/// configuration that is to be applied later has to say the same, or a restart would be needed for it.
std::vector<std::string> simulated_eal();
unsigned simulated_cpu();

using Nanoseconds = uint64_t;  ///< of virtual time, since some moment before the gateway's start

/// How a simulated gateway begins.
struct SimulationStart {
  uint64_t seed = 0;
  unsigned number = 0;                         ///< another one for each that the process ever has
  Nanoseconds now = 10'000'000'000;            ///< the monotonic clock
  std::chrono::nanoseconds since_1970{0};      ///< the wall clock, at that moment
  unsigned rx_queues = 1;                      ///< of every port, at most one for each worker
  ledger::FileSystem* ledger_files = nullptr;  ///< outlives the gateway; null: it has no ledger
};

class SimulatedGateway final : public dataplane::Surroundings, public ctrl::TimeSource {
 public:
  /// What of the model is the machine's is left out or replaced: CPUs, memory, devices, kernel taps, sources,
  /// and the ledger's disk.
  static Result<std::unique_ptr<SimulatedGateway>> start(ctrl::Model model, const SimulationStart& start);
  ~SimulatedGateway() override;

  ctrl::Gateway& gateway() { return *gateway_; }
  const ctrl::Gateway& gateway() const { return *gateway_; }
  Nanoseconds now() const { return now_; }

  /// `take(port, frame)` gets what the gateway sends, at now().
  void on_sent(std::function<void(unsigned port, Frame frame)> take) { on_sent_ = std::move(take); }
  /// How to wait, for whoever has more to simulate than the gateway; by itself: advance_workers().
  void on_wait(std::function<void(Nanoseconds then)> wait) { on_wait_ = std::move(wait); }

  /// How long a sync of the ledger's disk takes that is seen to begin now; by itself: no time.
  void on_sync(std::function<Nanoseconds()> duration) { on_sync_ = std::move(duration); }

  unsigned rx_queues(unsigned port) const { return devices_[port]->rx_queues(); }
  /// A frame comes in at a port, now.
  void arrive(unsigned port, Frame frame, unsigned queue = 0) {
    devices_[port]->arrive(queue, std::move(frame));
  }
  void set_link(unsigned port, bool is_up) { devices_[port]->set_link(is_up); }

  unsigned workers() const { return static_cast<unsigned>(loops_.size()); }
  /// Those that take turns: workers, then hash workers with lcores of their own, then the journal.
  unsigned threads() const {
    return static_cast<unsigned>(loops_.size() + hash_loops_.size()) + (journal_ != nullptr ? 1 : 0);
  }
  /// Whether a frame waits at a port.
  bool has_waiting() const;
  /// Buffers that came in and were not given back. After stop() that is a leak.
  unsigned buffers_out() const;
  /// One turn of a thread at now(); whether it found anything to do.
  bool step(unsigned thread);
  /// Turns of all threads until none of them finds anything to do.
  void settle();
  /// Time goes on, a millisecond at a time, with the workers and the control store's own work.
  void advance(Nanoseconds then);
  /// The same for workers alone.
  void advance_workers(Nanoseconds then);
  /// The clock alone. `then` is not before now().
  void set_time(Nanoseconds then) { now_ = then; }
  /// The control store's work of a millisecond. Not while it waits itself.
  void tick();
  /// What would become of a packet of that flow now.
  dataplane::Explanation explain(const FlowKey& key);
  /// Stops the gateway, which sends and drops what it still has. Nothing but its counters is left then.
  void stop();

  // What the gateway asks for.
  Result<void> start_eal(const dataplane::BootConfig& config) override;
  Result<uint16_t> attach(const dataplane::PortConfig& config, unsigned rx_queues,
                          unsigned tx_queues) override;
  uint64_t seed() override { return random_(); }
  void launch(dataplane::WorkerLoop& loop) override;
  ledger::FileSystem& ledger_files() override { return *start_.ledger_files; }
  void launch(dataplane::HashWorkerLoop& loop) override { hash_loops_.push_back(&loop); }
  void launch(dataplane::JournalThread& journal) override;
  bool join(dataplane::JournalThread& journal, std::chrono::milliseconds patience) override;
  void sleep(std::chrono::nanoseconds duration) override;
  void join() override;
  std::chrono::steady_clock::time_point steady() const override;
  std::chrono::system_clock::time_point wall() const override;
  void sleep_until(std::chrono::steady_clock::time_point then) override;

 private:
  explicit SimulatedGateway(const SimulationStart& start);
  void take_sent();
  bool step_syncs();
  dataplane::JournalThread::Turn turn_journal();

  SimulationStart start_;
  Nanoseconds now_;
  std::mt19937_64 random_;
  rte_mempool* pool_ = nullptr;
  std::vector<std::unique_ptr<RingDevice>> devices_;  ///< by configured port
  std::vector<dataplane::WorkerLoop*> loops_;
  std::vector<dataplane::HashWorkerLoop*> hash_loops_;
  dataplane::JournalThread* journal_ = nullptr;
  struct Sync {
    dataplane::SyncThread* thread;
    std::optional<Nanoseconds> due = {};  ///< when what was begun will have ended
  };
  std::vector<Sync> syncs_;
  std::function<Nanoseconds()> on_sync_ = [] { return Nanoseconds{0}; };
  std::function<void(unsigned, Frame)> on_sent_ = [](unsigned, Frame) {};
  std::function<void(Nanoseconds)> on_wait_;
  uint64_t ticks_ = 0;
  ScratchDirectory scratch_;
  std::unique_ptr<ctrl::Gateway> gateway_;
};

}  // namespace sluice::sim
