#include "ledger/coap_exchanges.h"

#include <bit>

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
  uint32_t* link = &bucket_of(links_[index].hash);
  while (*link != index) link = &links_[*link].next;
  *link = links_[index].next;
  links_[index].used = false;
}

CoapExchanges::Verdict CoapExchanges::note(const Requester& requester, uint64_t now_ns) {
  const uint32_t hash = hash_of(requester);
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
  links_[index] = {now_ns, hash, bucket, true, false};
  answers_[index].requester = requester;
  bucket = index;
  return {};
}

void CoapExchanges::answered(const Answer& answer) {
  const uint32_t index = find(answer.requester, hash_of(answer.requester));
  if (index == kNone) return;
  answers_[index].outcome = answer.outcome;
  answers_[index].receipt = answer.receipt;
  links_[index].is_answered = true;
}

}  // namespace sluice::ledger
