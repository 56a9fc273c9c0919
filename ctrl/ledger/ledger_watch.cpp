#include "ctrl/ledger/ledger_watch.h"

#include <spdlog/spdlog.h>

namespace sluice::ctrl {

std::string ledger_complaint(const dataplane::LedgerPlane& ledger) {
  if (const auto failure = ledger.failure()) return "the ledger has failed: " + failure->message;
  return ledger.reach().is_stalled ? "the ledger's disk does not answer" : "";
}

void LedgerWatch::poll(const dataplane::LedgerPlane& ledger, OnFailure on_failure) {
  const bool is_stalled = ledger.reach().is_stalled;
  if (is_stalled && !stalled_since_) {
    stalled_since_ = Clock::now();
    spdlog::error("the ledger's disk does not answer: transactions are refused until it does");
  } else if (!is_stalled && stalled_since_) {
    const std::chrono::duration<double> lasted = Clock::now() - *stalled_since_;
    stalled_since_.reset();
    spdlog::info("the ledger's disk answers again after {:.1f} s: transactions are taken", lasted.count());
  }
  const auto failure = ledger.failure();
  if (!failure || on_failure == OnFailure::kExit || has_told_failure_) return;
  has_told_failure_ = true;
  spdlog::error("the ledger has failed: {}: transactions are refused until a restart, balancing goes on",
                failure->message);
}

}  // namespace sluice::ctrl
