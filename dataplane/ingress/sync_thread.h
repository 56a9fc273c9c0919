// Waits for the disk so that the journal thread need not. Called by the journal thread.
#pragma once

#include <atomic>
#include <cstdint>

#include "dataplane/base/background_thread.h"
#include "dataplane/base/doorbell.h"
#include "ledger/journal.h"

namespace sluice::dataplane {

class SyncThread {
 public:
  /// Rings `journal_thread` when a task has run.
  explicit SyncThread(Doorbell& journal_thread) : journal_thread_(journal_thread) {}

  /// `name`: at most 15 characters.
  Result<void> start(const char* name);
  /// Not while busy.
  void stop();

  /// Whether a task was begun and not taken back.
  bool is_busy() const { return task_ != nullptr; }
  /// Runs a task. Not while busy.
  void begin(ledger::SyncTask* task);
  /// The task, once it has run; null before.
  ledger::SyncTask* take_finished();

  // The same for who has no thread for it, in the place of start().
  /// Whether a task waits for step().
  bool has_begun() const { return state_.load(std::memory_order_acquire) == kBegun; }
  /// Runs the task that was begun; false where there is none.
  bool step();

 private:
  enum State : uint32_t { kIdle, kBegun, kFinished, kStop };
  void run();

  Doorbell& journal_thread_;
  ledger::SyncTask* task_ = nullptr;
  std::atomic<uint32_t> state_{kIdle};
  BackgroundThread thread_;
};

}  // namespace sluice::dataplane
