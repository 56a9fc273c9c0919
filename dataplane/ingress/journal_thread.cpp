#include "dataplane/ingress/journal_thread.h"

#include <time.h>

#include <algorithm>

namespace sluice::dataplane {
namespace {

constexpr uint64_t kRestStepNs = 20'000;
constexpr uint64_t kLongestRestNs = 500'000;
constexpr uint64_t kLongestIdleRestNs = 2'000'000;

uint64_t read_clock(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

JournalTime read_clocks() {
  return {.monotonic_ns = read_clock(CLOCK_MONOTONIC), .unix_ns = read_clock(CLOCK_REALTIME)};
}

}  // namespace

JournalThread::JournalThread(std::unique_ptr<ledger::Journal> journal, JournalRings& rings,
                             uint64_t seal_delay_ns)
    : journal_(std::move(journal)),
      rings_(rings),
      idle_rest_ns_(std::clamp(seal_delay_ns / 4 * 3, kLongestRestNs, kLongestIdleRestNs)) {
  publish();
}

Result<void> JournalThread::start() {
  const auto run_this = [](void* self) -> void* {
    static_cast<JournalThread*>(self)->run();
    return nullptr;
  };
  return data_sync_.start("sluice-sync")
      .and_then([&] { return checkpoint_sync_.start("sluice-note"); })
      .and_then([&] { return thread_.start("sluice-journal", run_this, this); });
}

JournalThread::~JournalThread() {
  begin_stop();
  thread_.join();
  stop_syncs();
}

void JournalThread::begin_stop() {
  stopping_.store(true, std::memory_order_release);
  doorbell_.ring();
}

bool JournalThread::stop(uint32_t patience_ms) {
  begin_stop();
  if (!thread_.join_within(patience_ms)) return false;
  stop_syncs();
  return true;
}

void JournalThread::stop_syncs() {
  data_sync_.stop();
  checkpoint_sync_.stop();
}

LedgerReach JournalThread::reach() const {
  return {.blocks = blocks_.read(),
          .tree_size = tree_size_.read(),
          .checkpoint_size = checkpoint_size_.read(),
          .is_full = is_full_.load(std::memory_order_relaxed),
          .is_late = is_late_.load(std::memory_order_relaxed)};
}

std::optional<Error> JournalThread::failure() const {
  const Error* const failure = failure_.load(std::memory_order_acquire);
  return failure == nullptr ? std::nullopt : std::optional(*failure);
}

void JournalThread::run() {
  uint32_t empty_steps = 0;
  for (Turn turn; (turn = step(read_clocks())) != Turn::kEnded;) {
    empty_steps = turn == Turn::kMoved ? 0 : empty_steps + 1;
    if (empty_steps > 0) rest(empty_steps);
  }
}

/// Syncs ring when they end. Workers, who make no system calls, cannot: while the sealer has something under
/// way this looks after its rings often, else at least once while a block is open, so that it is awake when
/// that comes.
void JournalThread::rest(uint32_t empty_steps) {
  const bool is_idle = rings_.sealer_is_idle.load(std::memory_order_acquire) && !data_sync_.is_busy() &&
                       !checkpoint_sync_.is_busy();
  doorbell_.sleep(is_idle ? idle_rest_ns_ : std::min(empty_steps * kRestStepNs, kLongestRestNs));
}

JournalThread::Turn JournalThread::step(const JournalTime& now) {
  if (is_finished(now.monotonic_ns)) return Turn::kEnded;
  bool has_moved = end_syncs();
  has_moved |= append_block(now.unix_ns);
  has_moved |= begin_syncs(now.monotonic_ns);
  has_moved |= give_back_blocks();
  has_moved |= look_up();
  publish();
  return has_moved ? Turn::kMoved : Turn::kNothing;
}

bool JournalThread::end_syncs() {
  bool has_ended = false;
  for (SyncThread* thread : {&data_sync_, &checkpoint_sync_}) {
    ledger::SyncTask* const task = thread->take_finished();
    if (task == nullptr) continue;
    journal_->end(task);
    if (thread == &checkpoint_sync_) rings_.notes_ended.fetch_add(1, std::memory_order_release);
    has_ended = true;
  }
  return has_ended;
}

/// One, so that its sync is begun before the next is hashed.
bool JournalThread::append_block(uint64_t unix_ns) {
  if (waiting_ == nullptr && rings_.sealed.pop({&waiting_, 1}) == 0) return false;
  if (journal_->append(*waiting_, unix_ns) == ledger::Journal::Append::kAfterSync) return false;
  waiting_ = nullptr;
  return true;
}

bool JournalThread::begin_syncs(uint64_t now_ns) {
  ledger::SyncTask* const data = journal_->begin_sync();
  if (data != nullptr) data_sync_.begin(data);
  journal_->look_for_room(now_ns);
  ledger::SyncTask* const checkpoint = journal_->begin_checkpoint(now_ns);
  if (checkpoint != nullptr) begin_note(checkpoint);
  return data != nullptr || checkpoint != nullptr;
}

void JournalThread::begin_note(ledger::SyncTask* task) {
  rings_.notes_begun.fetch_add(1, std::memory_order_release);
  checkpoint_sync_.begin(task);
}

bool JournalThread::give_back_blocks() {
  bool has_given = false;
  for (ledger::OpenBlock* block; (block = journal_->next_finished()) != nullptr; has_given = true) {
    rings_.finished.push(block);
  }
  return has_given;
}

bool JournalThread::look_up() {
  ledger::Answer answer;
  if (rings_.to_look_up.pop({&answer, 1}) == 0) return false;
  // A level file that cannot be read: the receipt cannot be had now.
  if (!journal_->complete(answer)) answer.outcome = ledger::Outcome::kDroppedStopping;
  rings_.looked_up.push(answer);  // the sealer sees to it that there is room
  return true;
}

/// Whether the thread may end: it is to stop, and all that came is durable, or refused.
bool JournalThread::is_finished(uint64_t now_ns) {
  if (!stopping_.load(std::memory_order_acquire) || waiting_ != nullptr || rings_.sealed.size() > 0)
    return false;
  if (data_sync_.is_busy() || checkpoint_sync_.is_busy()) return false;
  if (journal_->failure() != nullptr || has_tried_last_checkpoint_) return true;
  has_tried_last_checkpoint_ = true;
  ledger::SyncTask* const last = journal_->begin_checkpoint(now_ns, true);
  if (last == nullptr) return true;
  begin_note(last);
  return false;
}

void JournalThread::publish() {
  blocks_.set(journal_->durable().blocks);
  tree_size_.set(journal_->durable().tree_size);
  checkpoint_size_.set(journal_->checkpoint_size());
  is_full_.store(journal_->is_full(), std::memory_order_relaxed);
  is_late_.store(journal_->is_late(), std::memory_order_relaxed);
  failure_.store(journal_->failure(), std::memory_order_release);
}

}  // namespace sluice::dataplane
