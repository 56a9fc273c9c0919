// Whether the ledger can take transactions, and the log lines when that changes. Control thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "ctrl/intent/ledger_model.h"
#include "dataplane/roles/ledger_plane.h"

namespace sluice::ctrl {

/// Why the ledger cannot take transactions, for `/readyz`; empty: it can.
std::string ledger_complaint(const dataplane::LedgerPlane& ledger);

class LedgerWatch {
 public:
  /// Says once that the disk does not answer, that it answers again, and that the ledger has failed where the
  /// gateway goes on without it. Call it at each tick.
  void poll(const dataplane::LedgerPlane& ledger, OnFailure on_failure);

 private:
  using Clock = std::chrono::steady_clock;

  std::optional<Clock::time_point> stalled_since_;
  bool has_told_failure_ = false;
};

}  // namespace sluice::ctrl
