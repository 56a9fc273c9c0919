// What is around the data plane where that is not the machine: whoever owns one of these has devices, chance,
// time, the ledger's disk, and turns of the threads in his hands. The simulator (sim/) does; the daemon has
// none, and its workers are lcores. Called by the control thread. A program's, never a configuration's.
#pragma once

#include <chrono>
#include <cstdint>

#include "common/result.h"
#include "dataplane/device/boot_config.h"

namespace sluice::ledger {
class FileSystem;
}

namespace sluice::dataplane {

class HashWorkerLoop;
class JournalThread;
class WorkerLoop;

class Surroundings {
 public:
  virtual ~Surroundings() = default;

  /// Sees to it that EAL runs, whose end is no data plane's business: several may use it, one after the other
  /// or together.
  virtual Result<void> start_eal(const BootConfig& config) = 0;
  /// Makes the device of a port, with at most so many queues, once EAL runs. Answers its DPDK port id.
  virtual Result<uint16_t> attach(const PortConfig& config, unsigned rx_queues, unsigned tx_queues) = 0;
  /// Of hashes that strangers must not foresee.
  virtual uint64_t seed() = 0;

  /// Takes a worker's loop in the place of an lcore: whoever steps it says what time it is, in nanoseconds.
  /// It lives until join() has returned.
  virtual void launch(WorkerLoop& loop) = 0;
  /// Lets the workers go on for that long.
  virtual void sleep(std::chrono::nanoseconds duration) = 0;
  /// Steps every loop to its end: Phase::kStopped is set.
  virtual void join() = 0;

  // Where there is a ledger.
  /// The disk that its files are on. Outlives the data plane.
  virtual ledger::FileSystem& ledger_files() = 0;
  /// Takes the loop of a hash worker that has an lcore of its own, as a worker's.
  virtual void launch(HashWorkerLoop& loop) = 0;
  /// Takes the journal's turns, and those of its syncs, in the place of threads. It lives until join() of it
  /// has returned.
  virtual void launch(JournalThread& journal) = 0;
  /// Steps the journal to its end, which it has been told to come to. False: the disk does not answer within
  /// `patience`.
  virtual bool join(JournalThread& journal, std::chrono::milliseconds patience) = 0;
};

}  // namespace sluice::dataplane
