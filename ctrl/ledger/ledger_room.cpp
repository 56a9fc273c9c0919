#include "ctrl/ledger/ledger_room.h"

#include "ctrl/log/log_line.h"

namespace sluice::ctrl {

void LedgerRoom::observe(const dataplane::LedgerReach& reach) {
  if (reach.is_full == is_short_) return;
  is_short_ = reach.is_full;
  if (!is_short_) {
    log_info({"the ledger's disk has room again: transactions are taken"});
  } else if (reach.is_late) {
    log_error({"the ledger's disk is full: no room for the checkpoint, which covers ", reach.checkpoint_size,
               " of ", reach.tree_size, " transactions; nothing more is taken until there is"});
  } else {
    log_error({"the ledger's disk is full: transactions are refused until there is room"});
  }
}

bool is_all_released(const dataplane::LedgerReach& reach) {
  return reach.checkpoint_size == reach.tree_size;
}

}  // namespace sluice::ctrl
