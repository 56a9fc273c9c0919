#include "dataplane/ingress/transaction_watch.h"

#include <algorithm>

namespace sluice::dataplane {

void TransactionWatch::sample(double share) {
  constexpr double kAll = 18446744073709551616.0;  // 2^64
  uint64_t below = 0;
  if (share >= 1) {
    below = UINT64_MAX;
  } else if (share > 0) {
    below = std::max<uint64_t>(static_cast<uint64_t>(share * kAll), 1);
  }
  below_.store(below, std::memory_order_relaxed);
}

/// Lets go of one whose answer does not come any more, if there is one: a disk that did not answer was told
/// of instead.
bool TransactionWatch::make_room(uint64_t now_ns) {
  if (count_ < kUnderWay) return true;
  for (size_t place = 0; place < count_; ++place) {
    if (now_ns - under_way_[place].trace.received_ns < kLongestNs) continue;
    end(place);
    return true;
  }
  return false;
}

void TransactionWatch::offered(const ledger::Transaction& transaction, std::optional<uint64_t> index,
                               const ledger::Answer* answer, uint64_t now_ns) {
  if (!make_room(now_ns)) return lost_.add();
  const ledger::Requester& requester = transaction.requester;
  Entry& entry = under_way_[count_++];
  entry.trace = {.txid = transaction.txid,
                 .client = requester.address,
                 .port = requester.port,
                 .ingress = requester.ingress,
                 .received_ns = std::min(requester.received_ns, now_ns),
                 .hashed_ns = now_ns};
  entry.index = index.value_or(kNoLeaf);
  entry.is_asked_for = requester.channel != ledger::Channel::kNone;
  if (answer == nullptr) return;
  entry.trace.outcome = answer->outcome;
  if (entry.is_asked_for) entry.trace.answered_ns = now_ns;
  end(count_ - 1);
}

void TransactionWatch::sealed(uint64_t first, uint64_t end_of_block, uint64_t now_ns) {
  for (Entry& entry : std::span(under_way_).first(count_)) {
    if (entry.index >= first && entry.index < end_of_block) entry.trace.sealed_ns = now_ns;
  }
}

void TransactionWatch::durable(uint64_t first, uint64_t end_of_block, uint64_t now_ns) {
  for (size_t place = count_; place-- > 0;) {
    Entry& entry = under_way_[place];
    if (entry.index < first || entry.index >= end_of_block) continue;
    entry.trace.durable_ns = now_ns;
    if (!entry.is_asked_for) end(place);
  }
}

void TransactionWatch::refused(uint64_t first, ledger::Outcome outcome, uint64_t now_ns) {
  for (size_t place = count_; place-- > 0;) {
    Entry& entry = under_way_[place];
    if (entry.index == kNoLeaf || entry.index < first) continue;
    entry.trace.outcome = outcome;
    if (entry.is_asked_for) entry.trace.answered_ns = now_ns;
    end(place);
  }
}

void TransactionWatch::answered(const ledger::Answer& answer, uint64_t now_ns) {
  if (!ledger::has_receipt(answer.outcome)) return;
  for (size_t place = 0; place < count_; ++place) {
    TransactionTrace& trace = under_way_[place].trace;
    const bool is_it = trace.txid == answer.receipt.txid && trace.client == answer.requester.address &&
                       trace.port == answer.requester.port;
    if (!is_it) continue;
    trace.outcome = answer.outcome;
    trace.answered_ns = now_ns;
    return end(place);
  }
}

/// Tells of one, and has the last take its place.
void TransactionWatch::end(size_t place) {
  if (!ended_.push(under_way_[place].trace)) lost_.add();
  under_way_[place] = under_way_[--count_];
}

}  // namespace sluice::dataplane
