// Follows the transactions that are sampled, by their ids, through the sealer: when each stage was over. Part
// of the sealer, whose thread calls it, but where said. Bounded; what finds no room is counted.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "common/bytes.h"
#include "common/counter.h"
#include "common/spsc_ring.h"
#include "dataplane/ingress/transaction_trace.h"
#include "ledger/receipt.h"
#include "ledger/transaction.h"

namespace sluice::dataplane {

class TransactionWatch {
 public:
  static constexpr size_t kUnderWay = 256;  ///< sampled ones that have not come to their end
  static constexpr size_t kEnded = 1024;    ///< and those that wait to be told of

  // For the control thread.
  /// Samples that share of all ids, 0 to 1, from now on.
  void sample(double share);
  size_t take(std::span<TransactionTrace> room) { return ended_.pop(room); }
  /// For any thread.
  uint64_t lost() const { return lost_.read(); }

  /// Whether there is anything to do. Once per poll.
  bool is_on() const { return below_.load(std::memory_order_relaxed) != 0 || count_ != 0; }
  /// Whether an id is sampled. Ids are hashes, so that any part of one is as good as random.
  bool has(const crypto::Digest& txid) const {
    const uint64_t below = below_.load(std::memory_order_relaxed);
    return below != 0 && load<uint64_t>(txid.data()) <= below;
  }

  /// A transaction of which has() holds was offered: it has that leaf; or nothing, where it is refused or a
  /// repeat. `answer`: what it was answered at once, else null.
  void offered(const ledger::Transaction& transaction, std::optional<uint64_t> index,
               const ledger::Answer* answer, uint64_t now_ns);
  /// The leaves from `first` up to `end` are in a block that goes to the journal; or that is durable.
  void sealed(uint64_t first, uint64_t end, uint64_t now_ns);
  void durable(uint64_t first, uint64_t end, uint64_t now_ns);
  /// The disk has not taken the leaves from `first` on.
  void refused(uint64_t first, ledger::Outcome outcome, uint64_t now_ns);
  /// An answer is on its way.
  void answered(const ledger::Answer& answer, uint64_t now_ns);

 private:
  static constexpr uint64_t kNoLeaf = UINT64_MAX;
  static constexpr uint64_t kLongestNs = 60'000'000'000;  ///< whose answer does not come by then, has none
  struct Entry {
    TransactionTrace trace;
    uint64_t index = kNoLeaf;
    bool is_asked_for = false;  ///< somebody waits for an answer
  };
  bool make_room(uint64_t now_ns);
  void end(size_t place);

  alignas(64) std::atomic<uint64_t> below_{0};
  std::array<Entry, kUnderWay> under_way_;
  size_t count_ = 0;  ///< of them
  SpscRing<TransactionTrace> ended_{kEnded};
  Counter lost_;
};

}  // namespace sluice::dataplane
