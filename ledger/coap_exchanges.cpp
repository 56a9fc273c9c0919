#include "ledger/coap_exchanges.h"

#include <algorithm>
#include <cstddef>

namespace sluice::ledger {
namespace {

uint32_t index_of(uint64_t ticket) {
  return static_cast<uint32_t>(ticket);
}

}  // namespace

CoapExchanges::CoapExchanges(uint32_t capacity, SipKey seed)
    : digest_(seed),
      entries_(capacity),
      receipts_(capacity),
      buckets_(PositionTable::buckets_for(capacity)),
      table_(buckets_, capacity) {}

uint64_t CoapExchanges::hash_of(const Requester& requester, std::span<const uint8_t> message) const {
  const std::array<uint8_t, 16>& address = requester.address.bytes();
  const std::array<uint64_t, 3> client = {load<uint64_t>(address.data()), load<uint64_t>(address.data() + 8),
                                          uint64_t{requester.ingress} << 16 | requester.port.network()};
  return digest_.of(client, message);
}

/// What identical hashes must still agree in: the digest says so of the payload too, but for one in 2^62.
bool CoapExchanges::Entry::is_of(const Requester& requester) const {
  return exchange.message_id == requester.exchange.message_id && exchange.type == requester.exchange.type &&
         exchange.token_size == requester.exchange.token_size && exchange.token == requester.exchange.token &&
         port == requester.port && client == requester.address && ingress == requester.ingress;
}

void CoapExchanges::remove(uint32_t index) {
  table_.remove(table_.home_of(entries_[index].hash), index);
  entries_[index].state = State::kFree;
}

/// Fetches the places that the next requests will take, and the buckets that what is there leaves.
void CoapExchanges::prefetch_reuse() const {
  constexpr uint32_t kNear = 6, kFar = 12;
  __builtin_prefetch(&entries_[ahead(oldest_, kFar)], 1);
  const Entry& leaving = entries_[ahead(oldest_, kNear)];
  if (leaving.state != State::kFree) table_.prefetch(table_.home_of(leaving.hash));
}

CoapExchanges::Verdict CoapExchanges::note(Requester& requester, uint64_t hash, uint64_t now_ns) {
  prefetch_reuse();
  const PositionTable::Home home = table_.home_of(hash);
  const auto known = table_.find(
      home, [&](uint32_t at) { return entries_[at].hash == hash && entries_[at].is_of(requester); });
  if (known) {
    const Entry& entry = entries_[*known];
    if (now_ns < entry.until_ns) {
      if (entry.state == State::kPending) return {Seen::kPending, {}, nullptr};
      return {Seen::kAnswered, entry.outcome, &receipts_[*known]};
    }
    remove(*known);
  }
  const uint32_t index = oldest_;
  oldest_ = ahead(index, 1);
  Entry& entry = entries_[index];
  if (entry.state != State::kFree) remove(index);
  table_.insert(home, index);
  entry.hash = hash;
  entry.until_ns = now_ns + kLifetimeNs;
  entry.client = requester.address;
  entry.port = requester.port;
  entry.ingress = requester.ingress;
  entry.state = State::kPending;
  entry.exchange = requester.exchange;
  requester.ticket = uint64_t{++entry.use} << 32 | index;
  return {};
}

void CoapExchanges::prefetch(const Answer& answer) const {
  const uint32_t index = index_of(answer.requester.ticket);
  __builtin_prefetch(&entries_[index], 1);
  const auto* const receipt = reinterpret_cast<const std::byte*>(&receipts_[index]);
  __builtin_prefetch(receipt, 1);
  __builtin_prefetch(receipt + sizeof(Receipt) - 1, 1);
}

void CoapExchanges::answered(const Answer& answer, uint64_t until_ns) {
  const uint32_t index = index_of(answer.requester.ticket);
  Entry& entry = entries_[index];
  if (entry.state == State::kFree || entry.use != answer.requester.ticket >> 32) return;
  entry.state = State::kAnswered;
  entry.outcome = answer.outcome;
  entry.until_ns = std::min(entry.until_ns, until_ns);
  receipts_[index] = answer.receipt;
}

}  // namespace sluice::ledger
