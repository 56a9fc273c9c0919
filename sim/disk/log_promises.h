// What a log's receipts and checkpoints promise, held against what was told of them: an index for each
// transaction, a transaction for each index, whatever ends in between. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "crypto/sha256_message.h"
#include "ledger/file_system.h"
#include "sim/world/trace.h"

namespace sluice::sim {

class LogPromises {
 public:
  using Violate = std::function<void(const std::string& what)>;

  /// `window`: of how many of the last transactions a repeat gets the first one's receipt. `violate` does
  /// not return.
  LogPromises(std::string directory, uint64_t window, Trace& trace, Violate violate);

  /// Somebody was told that this is where that transaction is.
  void take_receipt(uint64_t index, const crypto::Digest& leaf_hash, const std::string& payload);
  /// The checkpoint that is there now is one that was released.
  void note_checkpoint(ledger::FileSystem& files);
  /// The log of a gateway that has just started, or has stopped: it has so many transactions.
  void check_size(uint64_t tree_size) const;
  /// All of it, by the verifier and by a Merkle tree computed anew.
  void check_log(ledger::FileSystem& files) const;

  /// Whether somebody was told of that index before.
  bool knows(uint64_t index) const { return by_index_.contains(index); }
  bool has_checkpoint() const { return !released_.empty(); }
  /// What the last released checkpoint covers.
  uint64_t released() const { return released_.empty() ? 0 : released_.back().size; }

 private:
  struct Released {
    uint64_t size;
    crypto::Digest root;
  };

  std::string directory_;
  uint64_t window_;
  Trace& trace_;
  Violate violate_;
  std::map<std::string, uint64_t> by_payload_;  ///< the last index that was told of it
  std::map<uint64_t, std::string> by_index_;    ///< the same the other way round
  std::vector<Released> released_;
};

}  // namespace sluice::sim
