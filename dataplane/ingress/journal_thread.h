// The one thread that writes the log: blocks come by ring, are appended, synced on a thread beside this one
// while the next are appended, and go back by ring once they are durable (group commit). So do answers that
// lack a leaf hash. Sleeps while there is nothing to do.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>

#include "common/counter.h"
#include "dataplane/base/background_thread.h"
#include "dataplane/base/doorbell.h"
#include "dataplane/ingress/journal_rings.h"
#include "dataplane/ingress/ledger_reach.h"
#include "dataplane/ingress/sync_thread.h"
#include "ledger/journal.h"

namespace sluice::dataplane {

/// What time it is, for a turn of the journal thread.
struct JournalTime {
  uint64_t monotonic_ns = 0;
  uint64_t unix_ns = 0;
};

/// Functions are for the control thread, but where said.
class JournalThread {
 public:
  /// Borrows `rings`. `seal_delay_ns` is how long a block stays open that does not fill up.
  JournalThread(std::unique_ptr<ledger::Journal> journal, JournalRings& rings, uint64_t seal_delay_ns);
  /// Joins the threads, however long that takes: they use what goes away.
  ~JournalThread();

  Result<void> start();
  /// Makes durable what is in the ring, releases a last checkpoint, joins the threads. Idempotent. False: the
  /// disk has not answered for `patience_ms`, and a thread still waits for it.
  bool stop(uint32_t patience_ms);

  // The same for who has no threads for it, in the place of start() and stop().
  enum class Turn : uint8_t {
    kMoved,
    kNothing,  ///< there was nothing to do
    kEnded,    ///< it was told to stop, and all that came is durable, or refused
  };
  /// One turn. The syncs have turns of their own.
  Turn step(const JournalTime& now);
  std::array<SyncThread*, 2> syncs() { return {&data_sync_, &checkpoint_sync_}; }
  void begin_stop();

  // For any thread.
  LedgerReach reach() const;
  std::optional<Error> failure() const;

 private:
  void run();
  void stop_syncs();
  bool end_syncs();
  bool append_block(uint64_t unix_ns);
  bool begin_syncs(uint64_t now_ns);
  void begin_note(ledger::SyncTask* task);
  bool give_back_blocks();
  bool look_up();
  void rest(uint32_t empty_steps);
  bool is_finished(uint64_t now_ns);
  void publish();

  std::unique_ptr<ledger::Journal> journal_;
  JournalRings& rings_;
  ledger::OpenBlock* waiting_ = nullptr;  // for a segment's last sync
  bool has_tried_last_checkpoint_ = false;
  uint64_t idle_rest_ns_;
  Doorbell doorbell_;  // of this thread, for the syncs and for stop()
  SyncThread data_sync_{doorbell_};
  SyncThread checkpoint_sync_{doorbell_};  // of its own, so that no receipt waits for a checkpoint
  BackgroundThread thread_;
  std::atomic<bool> stopping_{false};

  Gauge blocks_;
  Gauge tree_size_;
  Gauge checkpoint_size_;
  std::atomic<bool> is_full_{false};
  std::atomic<bool> is_late_{false};
  std::atomic<const Error*> failure_{nullptr};
};

}  // namespace sluice::dataplane
