#include "ledger/ingest.h"

#include <algorithm>

#include "common/check.h"

namespace sluice::ledger {

OpenBlock* Ingest::Queue::pop() {
  if (size_ == 0) return nullptr;
  OpenBlock* const block = slots_[head_];
  head_ = head_ + 1 == slots_.size() ? 0 : head_ + 1;
  --size_;
  return block;
}

OpenBlock* Ingest::Queue::find(uint64_t index) const {
  for (size_t i = 0; i < size_; ++i) {
    OpenBlock* const block = slots_[(head_ + i) % slots_.size()];
    if (!block->is_taken_back && index >= block->first_index() && index < block->tree_size()) return block;
  }
  return nullptr;
}

Ingest::Ingest(const IngestLimits& limits, RecentIds& ids, OutcomeCounters& counters)
    : limits_(limits),
      ids_(ids),
      counters_(counters),
      waiters_(limits.waiters),
      free_(limits.blocks),
      sealed_(limits.blocks),
      in_journal_(limits.blocks),
      back_(limits.blocks) {
  blocks_.reserve(limits.blocks);
  for (uint32_t i = 0; i < limits.blocks; ++i) {
    blocks_.push_back(std::make_unique<OpenBlock>(limits.seal));
    free_.push(blocks_.back().get());
  }
  for (uint32_t i = 0; i < limits.waiters; ++i) waiters_[i].next = i + 1;
  waiters_.back().next = OpenBlock::kNoWaiter;
}

// Nobody knows what became of a block that the disk failed under: where the gateway leaves, clients hear
// nothing, and ask again. Who asked over the control socket waits, and must not for ever.
bool Ingest::is_told(const OpenBlock& block, const Requester& requester) const {
  if (requester.channel == Channel::kNone) return false;
  return block.fate != Fate::kFailed || requester.channel == Channel::kControl ||
         limits_.goes_on_after_failure;
}

/// Of a block that is back, for the first who sent a transaction or for who repeated it.
Outcome Ingest::outcome_of(const OpenBlock& block, bool is_first) const {
  if (block.fate == Fate::kDiskFull) return Outcome::kDroppedDiskFull;
  if (block.fate == Fate::kFailed) return failed();
  return is_first ? Outcome::kStored : Outcome::kDuplicate;
}

Decision Ingest::refuse(const Transaction& transaction, Outcome outcome, Answer& answer) {
  counters_.count(outcome);
  answer = {transaction.requester, outcome, {}};
  return Decision::kAnswered;
}

Decision Ingest::offer(const Transaction& transaction, const RecentIds::Home& home, uint64_t now_ns,
                       Answer& answer) {
  if (stopping_) return refuse(transaction, Outcome::kDroppedStopping, answer);
  const RecentIds::Key key = RecentIds::key_of(transaction.txid, transaction.profile);
  if (has_failed_) return refuse(transaction, failed(), answer);
  const std::optional<uint64_t> index = ids_.find(key, home);
  if (is_stalled_ && (!index || *index >= ids_.committed() || transaction.profile != Profile::kOpaque))
    return refuse(transaction, Outcome::kDroppedDiskFull, answer);
  if (index) return repeat(transaction, *index, answer);
  if (!ids_.has_room()) return refuse(transaction, Outcome::kDroppedWindowFull, answer);
  const bool starts_block = open_ == nullptr;
  if (starts_block) {
    open_ = free_.pop();
    if (open_ == nullptr) return refuse(transaction, Outcome::kDroppedRingFull, answer);
    open_->restart(ids_.next_block(), ids_.next_index(), now_ns);
  }
  ids_.append(key, home, starts_block);
  open_->add(transaction);
  if (open_->is_full()) seal();
  return Decision::kUnderWay;
}

Decision Ingest::repeat(const Transaction& transaction, uint64_t index, Answer& answer) {
  if (index >= ids_.committed()) {
    // Nobody to answer, so nothing to wait for; should the first be lost, this one was a repeat all the same.
    if (transaction.requester.channel == Channel::kNone) {
      return refuse(transaction, Outcome::kDuplicate, answer);
    }
    if (wait(transaction, index)) return Decision::kUnderWay;
    return refuse(transaction, Outcome::kDroppedWindowFull, answer);
  }
  counters_.count(Outcome::kDuplicate);
  const RecentIds::Place place = ids_.place_of(index);
  answer = {transaction.requester,
            Outcome::kDuplicate,
            {transaction.txid, index, transaction.leaf_hash, place.block, place.tree_size}};
  // An opaque id stands for the payload, so that the leaf hashes are the same. Bitcoin's leaves out the
  // witness, and the first one's leaf is not in memory.
  return transaction.profile == Profile::kOpaque ? Decision::kAnswered : Decision::kLookUp;
}

OpenBlock* Ingest::block_of(uint64_t index) const {
  if (open_ != nullptr && index >= open_->first_index()) return open_;
  OpenBlock* const block = sealed_.find(index);
  return block != nullptr ? block : in_journal_.find(index);
}

bool Ingest::wait(const Transaction& transaction, uint64_t index) {
  if (free_waiter_ == OpenBlock::kNoWaiter) return false;
  OpenBlock* const under_way = block_of(index);
  check(under_way != nullptr, "an index that is not committed is in a block under way");
  OpenBlock& block = *under_way;
  const uint32_t number = free_waiter_;
  Waiter& waiter = waiters_[number];
  free_waiter_ = waiter.next;
  waiter = {transaction.requester, static_cast<uint32_t>(index - block.first_index()), OpenBlock::kNoWaiter};
  (block.first_waiter == OpenBlock::kNoWaiter ? block.first_waiter : waiters_[block.last_waiter].next) =
      number;
  block.last_waiter = number;
  return true;
}

void Ingest::seal() {
  sealed_.push(open_);
  open_ = nullptr;
}

void Ingest::poll(uint64_t now_ns) {
  if (open_ == nullptr || now_ns - open_->opened_ns() < limits_.delay_ns) return;
  // The last block fills up until the journal gives one back: it would only wait there, and refuse what
  // comes.
  const bool is_last = free_.size() == 0 && sealed_.size() + in_journal_.size() > 0;
  if (!is_last) seal();
}

void Ingest::stop() {
  stopping_ = true;
  if (open_ != nullptr) seal();
}

OpenBlock* Ingest::take_sealed() {
  OpenBlock* const block = sealed_.pop();
  if (block != nullptr) in_journal_.push(block);
  return block;
}

/// Of a block that is back, counts what nobody waits for an answer to.
void Ingest::give_back(OpenBlock& block) {
  back_.push(&block);
  counters_.ended[static_cast<size_t>(outcome_of(block, true))].add(block.count() - block.askers().size());
}

void Ingest::finish(OpenBlock* block) {
  check(in_journal_.pop() == block, "blocks come back from the journal in their order");
  check(block->fate != Fate::kUnderWay, "a block that comes back has ended");
  give_back(*block);
  if (block->fate == Fate::kCommitted) return ids_.commit(block->tree_size());
  if (!block->is_taken_back) take_back(*block);
}

// All that was given out from this block on is given out again. Blocks that the journal has not seen are
// refused here; those on their way to it, there, since they do not follow what it has.
void Ingest::take_back(const OpenBlock& refused) {
  ids_.take_back(refused.first_index());
  if (refused.fate == Fate::kFailed) has_failed_ = true;
  in_journal_.for_each([](OpenBlock& block) { block.is_taken_back = true; });
  if (open_ != nullptr) seal();
  while (OpenBlock* const unseen = sealed_.pop()) {
    unseen->fate = refused.fate;
    give_back(*unseen);
  }
}

size_t Ingest::take_answers(std::span<Answer> out) {
  size_t written = 0;
  while (written < out.size()) {
    OpenBlock* const block = back_.front();
    if (block == nullptr) break;
    if (next_answer(*block, out[written])) {
      ++written;
    } else {
      free_.push(back_.pop());
      answered_ = 0;
    }
  }
  return written;
}

size_t Ingest::tell_stalled(std::span<Answer> out) {
  size_t written = 0;
  const auto tell = [&](OpenBlock& block) {
    while (written < out.size() && next_stalled(block, out[written])) ++written;
  };
  in_journal_.for_each(tell);
  sealed_.for_each(tell);
  if (open_ != nullptr) tell(*open_);
  return written;
}

// False: everybody of this block was told. Whoever was has no channel any more.
bool Ingest::next_stalled(OpenBlock& block, Answer& answer) {
  const auto tell = [&](Requester& requester) {
    if (requester.channel == Channel::kNone) return false;
    answer = {requester, Outcome::kDroppedDiskFull, {}};
    requester.channel = Channel::kNone;
    return true;
  };
  while (block.told < block.askers().size()) {
    if (tell(block.askers()[block.told++].requester)) return true;
  }
  if (block.told_waiter == OpenBlock::kNoWaiter) block.told_waiter = block.first_waiter;
  while (block.told_waiter != OpenBlock::kNoWaiter) {
    Waiter& waiter = waiters_[block.told_waiter];
    if (tell(waiter.requester)) return true;
    if (waiter.next == OpenBlock::kNoWaiter) return false;  // it stays there: others may come behind it
    block.told_waiter = waiter.next;
  }
  return false;
}

// False: everybody of this block was answered.
bool Ingest::next_answer(OpenBlock& block, Answer& answer) {
  while (answered_ < block.askers().size()) {
    const OpenBlock::Asker& asker = block.askers()[answered_++];
    if (!is_told(block, asker.requester)) {
      counters_.count(outcome_of(block, true));
      continue;
    }
    answer = answer_for(block, asker.place, asker.requester, true);
    return true;
  }
  while (block.first_waiter != OpenBlock::kNoWaiter) {
    const uint32_t number = block.first_waiter;
    Waiter& waiter = waiters_[number];
    answer = answer_for(block, waiter.place, waiter.requester, false);
    block.first_waiter = waiter.next;
    waiter.next = free_waiter_;
    free_waiter_ = number;
    if (is_told(block, answer.requester)) return true;
  }
  return false;
}

Answer Ingest::answer_for(const OpenBlock& block, uint32_t place, const Requester& requester, bool is_first) {
  Answer answer{requester, outcome_of(block, is_first), {}};
  counters_.count(answer.outcome);
  if (!has_receipt(answer.outcome)) return answer;
  const uint64_t index = block.first_index() + place;
  answer.receipt = {ids_.txid_of(index, block.profile(place)), index, block.leaf_hashes()[place],
                    block.number(), block.tree_size()};
  return answer;
}

std::optional<uint64_t> Ingest::locate(const crypto::Digest& txid, std::optional<Profile> wanted) const {
  // Those that say what a payload is before the one that says nothing.
  for (size_t number = profile_names().size(); number-- > 0;) {
    const auto profile = static_cast<Profile>(number);
    if (wanted && *wanted != profile) continue;
    const std::optional<uint64_t> index = ids_.find(RecentIds::key_of(txid, profile));
    if (index && *index < ids_.committed()) return index;
  }
  return std::nullopt;
}

}  // namespace sluice::ledger
