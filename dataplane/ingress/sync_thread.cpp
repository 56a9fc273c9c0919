#include "dataplane/ingress/sync_thread.h"

#include <utility>

namespace sluice::dataplane {

Result<void> SyncThread::start(const char* name) {
  const auto run_this = [](void* self) -> void* {
    static_cast<SyncThread*>(self)->run();
    return nullptr;
  };
  return thread_.start(name, run_this, this);
}

void SyncThread::stop() {
  state_.store(kStop, std::memory_order_release);
  state_.notify_one();
  thread_.join();
}

void SyncThread::begin(ledger::SyncTask* task) {
  task_ = task;
  state_.store(kBegun, std::memory_order_release);
  state_.notify_one();
}

ledger::SyncTask* SyncThread::take_finished() {
  if (state_.load(std::memory_order_acquire) != kFinished) return nullptr;
  return std::exchange(task_, nullptr);
}

void SyncThread::run() {
  for (uint32_t state; (state = state_.load(std::memory_order_acquire)) != kStop;) {
    if (!step()) state_.wait(state, std::memory_order_acquire);
  }
}

bool SyncThread::step() {
  if (!has_begun()) return false;
  task_->run();
  state_.store(kFinished, std::memory_order_release);
  journal_thread_.ring();
  return true;
}

}  // namespace sluice::dataplane
