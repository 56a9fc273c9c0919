#include "ctrl/ledger/ledger_watch.h"

#include "ctrl/log/log_line.h"

namespace sluice::ctrl {

std::string ledger_complaint(const dataplane::LedgerPlane& ledger) {
  if (const auto failure = ledger.failure()) return "the ledger has failed: " + failure->message;
  return ledger.reach().is_stalled ? "the ledger's disk does not answer" : "";
}

void LedgerWatch::poll(const dataplane::LedgerPlane& ledger, OnFailure on_failure) {
  const bool is_stalled = ledger.reach().is_stalled;
  if (is_stalled && !stalled_since_) {
    stalled_since_ = Clock::now();
    log_error({"the ledger's disk does not answer: transactions are refused until it does"});
  } else if (!is_stalled && stalled_since_) {
    using Tenths = std::chrono::duration<int64_t, std::deci>;
    const auto lasted = std::chrono::round<Tenths>(Clock::now() - *stalled_since_).count();
    stalled_since_.reset();
    log_info({"the ledger's disk answers again after ", lasted / 10, ".", lasted % 10,
              " s: transactions are taken"});
  }
  const auto failure = ledger.failure();
  if (!failure || on_failure == OnFailure::kExit || has_told_failure_) return;
  has_told_failure_ = true;
  log_error({"the ledger has failed: ", failure->message,
             ": transactions are refused until a restart, balancing goes on"});
}

}  // namespace sluice::ctrl
