#include "ledger/coap_exchanges.h"

#include <bit>
#include <cstddef>

namespace sluice::ledger {
namespace {

bool is_same(const Requester& left, const Requester& right) {
  return left.exchange.message_id == right.exchange.message_id && left.port == right.port &&
         left.address == right.address && left.ingress == right.ingress;
}

}  // namespace

CoapExchanges::CoapExchanges(uint32_t capacity, SipKey seed)
    : seed_(seed), links_(capacity), answers_(capacity), buckets_(std::bit_ceil(size_t{capacity}), kNone) {}

uint32_t CoapExchanges::hash_of(const Requester& requester) const {
  struct {
    IpAddress address;
    Be16 port;
    uint16_t message_id;
    uint32_t ingress;
  } const key{requester.address, requester.port, requester.exchange.message_id, requester.ingress};
  static_assert(sizeof key == 24);
  return static_cast<uint32_t>(siphash24(seed_, &key, sizeof key));
}

uint32_t CoapExchanges::find(const Requester& requester, uint32_t hash) {
  uint32_t index = bucket_of(hash);
  while (index != kNone && (links_[index].hash != hash || !is_same(answers_[index].requester, requester)))
    index = links_[index].next;
  return index;
}

void CoapExchanges::remove(uint32_t index) {
  const Link& link = links_[index];
  (link.previous == kNone ? bucket_of(link.hash) : links_[link.previous].next) = link.next;
  if (link.next != kNone) links_[link.next].previous = link.previous;
  links_[index].used = false;
}

void CoapExchanges::prefetch_entry(uint32_t hash) const {
  const uint32_t index = buckets_[hash & (buckets_.size() - 1)];
  if (index != kNone) __builtin_prefetch(&links_[index]);
}

CoapExchanges::Verdict CoapExchanges::note(Requester& requester, uint32_t hash, uint64_t now_ns) {
  const uint32_t known = find(requester, hash);
  if (known != kNone) {
    const Link& link = links_[known];
    if (now_ns - link.since_ns < kLifetimeNs) {
      return link.is_answered ? Verdict{Seen::kAnswered, &answers_[known]} : Verdict{Seen::kPending, nullptr};
    }
    remove(known);
  }
  const uint32_t index = oldest_;
  oldest_ = index + 1 == links_.size() ? 0 : index + 1;
  if (links_[index].used) remove(index);
  uint32_t& bucket = bucket_of(hash);
  links_[index] = {now_ns, hash, bucket, kNone, true, false};
  if (bucket != kNone) links_[bucket].previous = index;
  bucket = index;
  requester.ticket = index;
  answers_[index].requester = requester;
  return {};
}

void CoapExchanges::prefetch(const Answer& answer) const {
  __builtin_prefetch(&links_[answer.requester.ticket], 1);
  const auto* const entry = reinterpret_cast<const std::byte*>(&answers_[answer.requester.ticket]);
  for (size_t at = 0; at < sizeof(Answer); at += 64) __builtin_prefetch(entry + at, 1);
}

void CoapExchanges::answered(const Answer& answer) {
  const auto index = static_cast<uint32_t>(answer.requester.ticket);
  if (!links_[index].used || !is_same(answers_[index].requester, answer.requester)) return;
  answers_[index].outcome = answer.outcome;
  answers_[index].receipt = answer.receipt;
  links_[index].is_answered = true;
}

}  // namespace sluice::ledger
