// What the daemon says as it ends: what became of packets and transactions. Control thread.
#pragma once

namespace sluice::ctrl {

class Gateway;

void log_totals(const Gateway& gateway);

/// Whether all that the ledger has taken is safe and answered, or there is none; the log says what is not.
bool is_ledger_settled(const Gateway& gateway);

}  // namespace sluice::ctrl
