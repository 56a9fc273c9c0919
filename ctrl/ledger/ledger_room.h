// Whether the ledger's disk has room, followed for the log and for readiness. Control thread.
#pragma once

#include "dataplane/roles/ledger_plane.h"

namespace sluice::ctrl {

class LedgerRoom {
 public:
  /// Once per tick. A change of state is one line of the log.
  void observe(const dataplane::LedgerReach& reach);
  /// Whether transactions are refused for want of room.
  bool is_short() const { return is_short_; }

 private:
  bool is_short_ = false;
};

/// After the data plane has stopped: whether the last checkpoint covers all that is durable.
bool is_all_released(const dataplane::LedgerReach& reach);
inline constexpr const char* kNotReleased =
    "the ledger's last checkpoint found no room on the disk: what has a receipt is safe, and the next start "
    "releases it";

}  // namespace sluice::ctrl
