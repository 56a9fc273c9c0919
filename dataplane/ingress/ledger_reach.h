#pragma once

#include <cstdint>

namespace sluice::dataplane {

/// How far the log reaches. Values may be a moment old, each by itself.
struct LedgerReach {
  uint64_t blocks = 0;           ///< durable
  uint64_t tree_size = 0;        ///< durable
  uint64_t checkpoint_size = 0;  ///< covered by the released checkpoint
  bool is_full = false;          ///< blocks are refused for want of room
  bool is_late = false;          ///< it is the checkpoint that finds no room
  bool is_stalled = false;       ///< the disk does not answer: transactions are refused until it does
};

}  // namespace sluice::dataplane
