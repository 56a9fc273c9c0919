// When a block is full. Plain values.
#pragma once

#include <cstdint>

namespace sluice::ledger {

/// A block is full with the first transaction that reaches either.
struct BlockLimits {
  uint32_t transactions;  ///< `seal.transactions`
  uint32_t bytes;         ///< `seal.bytes`
};

}  // namespace sluice::ledger
