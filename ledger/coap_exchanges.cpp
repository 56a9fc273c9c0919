#include "ledger/coap_exchanges.h"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace sluice::ledger {
namespace {

// What identical hashes must still agree in: the digest says so of the payload too, but for one in 2^64.
bool is_same(const Requester& left, const Requester& right) {
  return left.exchange.message_id == right.exchange.message_id && left.exchange.type == right.exchange.type &&
         left.exchange.token_size == right.exchange.token_size &&
         left.exchange.token == right.exchange.token && left.port == right.port &&
         left.address == right.address && left.ingress == right.ingress;
}

uint32_t index_of(uint64_t ticket) {
  return static_cast<uint32_t>(ticket);
}

}  // namespace

CoapExchanges::CoapExchanges(uint32_t capacity, SipKey seed)
    : digest_(seed), links_(capacity), answers_(capacity), buckets_(std::bit_ceil(size_t{capacity}), kNone) {}

uint64_t CoapExchanges::hash_of(const Requester& requester, std::span<const uint8_t> message) const {
  struct {
    IpAddress address;
    Be16 port;
    uint16_t padding;
    uint32_t ingress;
  } const client{requester.address, requester.port, 0, requester.ingress};
  static_assert(sizeof client == 24);
  return digest_.of(client, message);
}

uint32_t CoapExchanges::find(const Requester& requester, uint64_t hash) {
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

void CoapExchanges::prefetch_entry(uint64_t hash) const {
  const uint32_t index = buckets_[hash & (buckets_.size() - 1)];
  if (index != kNone) __builtin_prefetch(&links_[index]);
}

/// Fetches the places that the next requests will take, and what their oldest ones must be taken out of.
void CoapExchanges::prefetch_reuse() const {
  constexpr uint32_t kNear = 6, kFar = 12;
  const uint32_t far = ahead(oldest_, kFar);
  __builtin_prefetch(&links_[far], 1);
  const auto* const entry = reinterpret_cast<const std::byte*>(&answers_[far]);
  for (size_t at = 0; at < sizeof(Requester); at += 64) __builtin_prefetch(entry + at, 1);
  const Link& leaving = links_[ahead(oldest_, kNear)];
  if (!leaving.used) return;
  __builtin_prefetch(&buckets_[leaving.hash & (buckets_.size() - 1)], 1);
  if (leaving.previous != kNone) __builtin_prefetch(&links_[leaving.previous], 1);
  if (leaving.next != kNone) __builtin_prefetch(&links_[leaving.next], 1);
}

CoapExchanges::Verdict CoapExchanges::note(Requester& requester, uint64_t hash, uint64_t now_ns) {
  prefetch_reuse();
  const uint32_t known = find(requester, hash);
  if (known != kNone) {
    const Link& link = links_[known];
    if (now_ns < link.until_ns) {
      return link.is_answered ? Verdict{Seen::kAnswered, &answers_[known]} : Verdict{Seen::kPending, nullptr};
    }
    remove(known);
  }
  const uint32_t index = oldest_;
  oldest_ = ahead(index, 1);
  if (links_[index].used) remove(index);
  uint32_t& bucket = bucket_of(hash);
  const uint32_t use = links_[index].use + 1;
  links_[index] = {now_ns + kLifetimeNs, hash, bucket, kNone, use, true, false};
  if (bucket != kNone) links_[bucket].previous = index;
  bucket = index;
  requester.ticket = uint64_t{use} << 32 | index;
  answers_[index].requester = requester;
  return {};
}

void CoapExchanges::prefetch(const Answer& answer) const {
  const uint32_t index = index_of(answer.requester.ticket);
  __builtin_prefetch(&links_[index], 1);
  const auto* const entry = reinterpret_cast<const std::byte*>(&answers_[index]);
  for (size_t at = 0; at < sizeof(Answer); at += 64) __builtin_prefetch(entry + at, 1);
}

void CoapExchanges::answered(const Answer& answer, uint64_t until_ns) {
  const uint32_t index = index_of(answer.requester.ticket);
  Link& link = links_[index];
  if (!link.used || link.use != answer.requester.ticket >> 32) return;
  answers_[index].outcome = answer.outcome;
  answers_[index].receipt = answer.receipt;
  link.is_answered = true;
  link.until_ns = std::min(link.until_ns, until_ns);
}

}  // namespace sluice::ledger
