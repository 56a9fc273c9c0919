// The `bitcoin` profile: one raw transaction, read strictly (Bitcoin's serialization, BIP-144).
// Pure; any thread; nothing is copied.
#pragma once

#include <span>

#include "ledger/transaction.h"

namespace sluice::ledger {

/// Reads a transaction and says what its id covers. Refused: bytes left over or missing, a count that is
/// not in its shortest form, no input, a BIP-144 flag other than 1, a witness section without any
/// witness. Whether scripts and amounts make sense is the ledger's business. Hot path.
Parsed parse_bitcoin(std::span<const uint8_t> payload);

}  // namespace sluice::ledger
