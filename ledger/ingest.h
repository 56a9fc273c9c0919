// Block assembly: from hashed transactions to sealed blocks, and from durable blocks to answers. One
// object, owned by the sealing hash worker (the first), the only one that gives out leaf indexes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/check.h"
#include "ledger/open_block.h"
#include "ledger/outcome.h"
#include "ledger/recent_ids.h"

namespace sluice::ledger {

/// When a block is sealed, and how much is under way at most.
struct IngestLimits {
  OpenBlock::Limits seal{4096, 1 << 20};
  uint64_t delay_ns = 2'000'000;       ///< no transaction waits longer in an open block
  uint32_t blocks = 8;                 ///< open, in the journal and being answered together
  uint32_t waiters = 65536;            ///< repeats that wait for a transaction in flight
  bool goes_on_after_failure = false;  ///< once the disk has failed, clients are told so: nobody leaves

  uint64_t most_in_flight() const { return uint64_t{blocks} * seal.transactions; }
};

/// What offer() made of a transaction.
enum class Decision : uint8_t {
  kUnderWay,  ///< the answer comes from take_answers() once its block is durable or refused
  kAnswered,  ///< `answer` is complete: send it now where its requester has a channel
  kLookUp,    ///< as kAnswered, but for the leaf hash: the journal thread's Journal::complete() adds it
};

class Ingest {
 public:
  /// `ids` has room for limits.most_in_flight(). Both are borrowed. Allocates all there will ever be.
  Ingest(const IngestLimits& limits, RecentIds& ids, OutcomeCounters& counters);

  /// Fetches what offer() will look at, and says where that is. Call it some transactions before.
  RecentIds::Home prefetch(const crypto::Digest& txid, Profile profile) const {
    const RecentIds::Home home = ids_.home_of(RecentIds::key_of(txid, profile));
    ids_.prefetch(home);
    return home;
  }
  /// Takes a transaction: a repeat gets the first one's receipt, a new one the next leaf index. The payload
  /// is copied. Counts what ends here. `home` is what prefetch() said of it; `answer` is written for
  /// Decision::kAnswered and kLookUp alone. Hot path.
  Decision offer(const Transaction& transaction, const RecentIds::Home& home, uint64_t now_ns,
                 Answer& answer);
  Decision offer(const Transaction& transaction, uint64_t now_ns, Answer& answer) {
    return offer(transaction, prefetch(transaction.txid, transaction.profile), now_ns, answer);
  }

  /// Seals the open block where its delay has passed. Once per poll; `now_ns` is monotonic.
  void poll(uint64_t now_ns);
  /// From now on nothing is taken (kDroppedStopping) and the open block is sealed.
  void stop();

  /// The next block for the journal ring, in order; null where none is sealed.
  OpenBlock* take_sealed();
  /// A block back from the journal thread, in the order of take_sealed(). Where it was refused, all after
  /// it will be too, and their indexes are given out again.
  void finish(OpenBlock* block);
  /// Writes answers to those whose blocks are back into `out` and counts them; returns how many. Where it
  /// fills `out`, there may be more.
  size_t take_answers(std::span<Answer> out);

  /// While the disk does not answer, nothing new is taken (kDroppedDiskFull), and tell_stalled() has answers
  /// for those who wait. What is committed is still answered with its receipt.
  void set_stalled(bool is_stalled) { is_stalled_ = is_stalled; }
  /// Answers kDroppedDiskFull to those whose transactions are in flight, as take_answers() does. They hear
  /// nothing more; what becomes of the transactions is counted once that is known, and a repeat is told.
  size_t tell_stalled(std::span<Answer> out);

  /// Whether no transaction is under way and no answer left.
  bool is_idle() const { return free_.size() == blocks_.size(); }

  /// The leaf of a committed transaction of the window: for `ledger.proof` by txid. Payloads of several
  /// profiles may have one txid; without `profile`, the parsed ones go before the opaque one, which anybody
  /// can make (docs/decisions/0021).
  std::optional<uint64_t> locate(const crypto::Digest& txid, std::optional<Profile> profile = {}) const;

 private:
  struct Waiter {
    Requester requester;
    uint32_t place;  // in its block
    uint32_t next;
  };
  // A first-in, first-out queue of the blocks, in memory of its own.
  class Queue {
   public:
    explicit Queue(size_t capacity) : slots_(capacity) {}
    void push(OpenBlock* block) {
      check(size_ < slots_.size(), "a queue has room for every block that there is");
      slots_[(head_ + size_++) % slots_.size()] = block;
    }
    OpenBlock* pop();
    OpenBlock* front() const { return size_ == 0 ? nullptr : slots_[head_]; }
    OpenBlock* find(uint64_t index) const;
    void for_each(auto&& visit) const {
      for (size_t i = 0; i < size_; ++i) visit(*slots_[(head_ + i) % slots_.size()]);
    }
    size_t size() const { return size_; }

   private:
    std::vector<OpenBlock*> slots_;
    size_t head_ = 0;
    size_t size_ = 0;
  };

  Outcome failed() const {
    return limits_.goes_on_after_failure ? Outcome::kDroppedDiskFull : Outcome::kDroppedStopping;
  }
  bool is_told(const OpenBlock& block, const Requester& requester) const;
  Outcome outcome_of(const OpenBlock& block, bool is_first) const;
  bool next_stalled(OpenBlock& block, Answer& answer);
  Decision refuse(const Transaction& transaction, Outcome outcome, Answer& answer);
  Decision repeat(const Transaction& transaction, uint64_t index, Answer& answer);
  bool wait(const Transaction& transaction, uint64_t index);
  OpenBlock* block_of(uint64_t index) const;
  void seal();
  void take_back(const OpenBlock& refused);
  void give_back(OpenBlock& block);
  bool next_answer(OpenBlock& block, Answer& answer);
  Answer answer_for(const OpenBlock& block, uint32_t place, const Requester& requester, bool is_first);

  IngestLimits limits_;
  RecentIds& ids_;
  OutcomeCounters& counters_;
  std::vector<std::unique_ptr<OpenBlock>> blocks_;
  std::vector<Waiter> waiters_;
  uint32_t free_waiter_ = 0;
  OpenBlock* open_ = nullptr;
  Queue free_;
  Queue sealed_;           // not yet taken
  Queue in_journal_;       // taken, not yet back
  Queue back_;             // to be answered
  uint32_t answered_ = 0;  // askers of the first in back_ that were answered
  bool stopping_ = false;
  bool has_failed_ = false;
  bool is_stalled_ = false;
};

}  // namespace sluice::ledger
