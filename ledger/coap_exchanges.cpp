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
    : seed_(seed), entries_(capacity), buckets_(std::bit_ceil(size_t{capacity}), kNone) {}

uint32_t& CoapExchanges::bucket_of(const Requester& requester) {
  struct {
    IpAddress address;
    Be16 port;
    uint16_t message_id;
    uint32_t ingress;
  } const key{requester.address, requester.port, requester.exchange.message_id, requester.ingress};
  static_assert(sizeof key == 24);
  return buckets_[siphash24(seed_, &key, sizeof key) & (buckets_.size() - 1)];
}

uint32_t CoapExchanges::find(const Requester& requester) {
  uint32_t index = bucket_of(requester);
  while (index != kNone && !is_same(entries_[index].answer.requester, requester))
    index = entries_[index].next;
  return index;
}

void CoapExchanges::remove(uint32_t index) {
  uint32_t* link = &bucket_of(entries_[index].answer.requester);
  while (*link != index) link = &entries_[*link].next;
  *link = entries_[index].next;
  entries_[index].used = false;
}

CoapExchanges::Verdict CoapExchanges::note(const Requester& requester, uint64_t now_ns) {
  const uint32_t known = find(requester);
  if (known != kNone) {
    const Entry& entry = entries_[known];
    if (now_ns - entry.since_ns < kLifetimeNs) {
      return entry.is_answered ? Verdict{Seen::kAnswered, &entry.answer} : Verdict{Seen::kPending, nullptr};
    }
    remove(known);
  }
  const uint32_t index = oldest_;
  oldest_ = index + 1 == entries_.size() ? 0 : index + 1;
  if (entries_[index].used) remove(index);
  uint32_t& bucket = bucket_of(requester);
  entries_[index] = {true, false, bucket, now_ns, {requester, {}, {}}};
  bucket = index;
  return {};
}

void CoapExchanges::answered(const Answer& answer) {
  const uint32_t index = find(answer.requester);
  if (index == kNone) return;
  entries_[index].answer.outcome = answer.outcome;
  entries_[index].answer.receipt = answer.receipt;
  entries_[index].is_answered = true;
}

}  // namespace sluice::ledger
