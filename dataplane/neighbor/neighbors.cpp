#include "dataplane/neighbor/neighbors.h"

#include <algorithm>

#include "dataplane/base/packet.h"
#include "dataplane/neighbor/neighbor_frames.h"
#include "dataplane/packet/arp.h"
#include "dataplane/packet/ndp.h"

namespace sluice::dataplane {
namespace {

constexpr uint32_t kReachableMs = 30'000;  ///< REACHABLE_TIME, RFC 4861 10
constexpr uint32_t kRetransmitMs = 1'000;  ///< RETRANS_TIMER
constexpr uint8_t kMaxQuestions = 3;       ///< MAX_MULTICAST_SOLICIT, and as many unicast ones before
/// Where an address is contested: questions to whoever had it, a pause between any two, and how long the
/// answer to one contest counts.
constexpr uint8_t kContestedQuestions = 2;
constexpr uint32_t kContestedRetransmitMs = 500;
constexpr uint32_t kContestPauseMs = 1'000;
constexpr uint32_t kForgetMs = 600'000;  ///< an unused entry goes after that
constexpr uint32_t kVisitsPerMs = 64;    ///< so that a full cache is walked in a second
constexpr uint32_t kMaxVisits = 1024;    ///< in one tick

/// Whether a question on `port` about `address` is ours to answer.
bool is_ours(const Tables& tables, uint16_t port, const IpAddress& address) {
  const PortView& view = tables.ports[port];
  if (address.is_v6() && address == view.link_local) return true;
  const auto is_it = [&](const Prefix& own) { return own.address == address; };
  if (std::any_of(view.addresses.begin(), view.addresses.end(), is_it)) return true;
  if (std::find(tables.snat.begin(), tables.snat.end(), address) != tables.snat.end()) return true;
  return tables.service_table != nullptr && tables.service_table->has_address(address);
}

/// How many questions go to whoever had the address before everybody is asked.
uint8_t unicast_questions(const NeighborEntry& entry) {
  return entry.is_contested ? kContestedQuestions : kMaxQuestions;
}

/// Whether a question has been asked that may still be answered.
bool is_asking(const NeighborEntry& entry, uint32_t now_ms) {
  return entry.attempts > 0 && now_ms - entry.asked_ms <= kRetransmitMs;
}

/// Whether that MAC address is one of ours, of whatever port: two ports may be on one link.
bool is_own_mac(const Tables& tables, const MacAddress& mac) {
  return std::any_of(tables.ports.begin(), tables.ports.end(),
                     [&](const PortView& port) { return port.mac == mac; });
}

/// Sends what waited for an entry that has just been resolved.
void send_waiting(NeighborCache& cache, NeighborEntry& entry, const Tables& tables, uint32_t now_ms,
                  Neighbors& neighbors, Transmit& transmit) {
  const auto known = entry.record.own();
  while (rte_mbuf* packet = cache.take_waiting(entry)) {
    neighbors.send(tables, known.port, known.address, packet, now_ms, transmit);
  }
}

}  // namespace

Neighbors::Neighbors(rte_mempool* pool, Drops& drops, Notices& notices, uint64_t seed)
    : cache_(std::make_unique<NeighborCache>(seed)),
      pool_(pool),
      drops_(drops),
      notices_(notices),
      defence_(seed) {}

Neighbors::~Neighbors() {
  give_up();
}

void Neighbors::give_up() {
  for (uint32_t i = 0; i < cache_->touched(); ++i) {
    while (rte_mbuf* const packet = cache_->take_waiting(cache_->at(i))) {
      drops_.drop(packet, DropReason::kNeighborUnresolved);
    }
  }
}

void Neighbors::resolve(const Tables& tables, NeighborEntry* entry, uint16_t port, const IpAddress& next_hop,
                        rte_mbuf* packet, uint32_t now_ms, Transmit& transmit) {
  if (entry == nullptr) {
    entry = cache_->insert(port, next_hop, false, now_ms, drops_);
    if (entry != nullptr) ask(tables, *entry, now_ms, transmit);
  } else {
    entry->used_ms = now_ms;
  }
  if (entry == nullptr || !cache_->keep(*entry, packet, drops_)) {
    drops_.drop(packet, DropReason::kNeighborUnresolved, DropDetail::kNeighborQueueFull);
  }
}

const MacAddress* Neighbors::mac_of(uint16_t port, const IpAddress& next_hop, uint32_t now_ms) {
  NeighborEntry* const entry = cache_->find(port, next_hop);
  if (entry == nullptr || !entry->record.own().has_mac()) return nullptr;
  entry->used_ms = now_ms;
  entry->is_kept = true;
  return &entry->record.own().mac;
}

const MacAddress* Neighbors::mac_or_ask(const Tables& tables, uint16_t port, const IpAddress& next_hop,
                                        uint32_t now_ms, Transmit& transmit) {
  const MacAddress* const mac = mac_of(port, next_hop, now_ms);
  if (mac != nullptr) return mac;
  if (NeighborEntry* const known = cache_->find(port, next_hop)) {
    known->used_ms = now_ms;
    return nullptr;
  }
  NeighborEntry* const entry = cache_->insert(port, next_hop, false, now_ms, drops_);
  if (entry != nullptr) ask(tables, *entry, now_ms, transmit);
  return nullptr;
}

void Neighbors::ask(const Tables& tables, NeighborEntry& entry, uint32_t now_ms, Transmit& transmit) {
  const auto known = entry.record.own();
  const bool unicast = known.has_mac() && entry.attempts < unicast_questions(entry);
  entry.asked_all = !unicast;
  entry.asked_ms = now_ms;
  ++entry.attempts;
  rte_mbuf* const frame =
      make_question(pool_, tables.ports[known.port], known.address, unicast ? &known.mac : nullptr);
  if (frame != nullptr) transmit.send_new(known.port, frame);
}

void Neighbors::receive(const Tables& tables, rte_mbuf* packet, bool received_here, uint32_t now_ms,
                        Transmit& transmit) {
  const PacketMeta& meta = meta_of(packet);
  const std::span<const uint8_t> frame(rte_pktmbuf_mtod(packet, const uint8_t*), packet->data_len);
  const auto payload = frame.subspan(meta.l3_offset);
  const auto type = load<Be16>(payload.data() - sizeof(Be16));  // the last field before layer 3, tags or not
  if (type.host() == ether_type::kArp) {
    receive_arp(tables, payload, meta.in_port, received_here, now_ms, transmit);
  } else {
    const auto asker = load<EthernetHeader>(frame.data()).source;
    const auto ip_packet = payload.first(std::min<size_t>(payload.size(), meta.ip_bytes));
    const size_t icmp_offset = static_cast<size_t>(meta.l4_offset - meta.l3_offset);
    receive_ndp(tables, ip_packet, icmp_offset, asker, meta.in_port, received_here, now_ms, transmit);
  }
}

void Neighbors::receive_arp(const Tables& tables, std::span<const uint8_t> payload, uint16_t port,
                            bool received_here, uint32_t now_ms, Transmit& transmit) {
  const auto message = parse_arp(payload);
  if (!message) return;
  const IpAddress unspecified = IpAddress::v4(Be32{});
  const bool to_us = is_ours(tables, port, message->target);
  const bool solicited = message->is_reply && message->target_mac == tables.ports[port].mac &&
                         (to_us || message->target == unspecified);  // whom questions come from
  const Claim claim{port, message->sender, message->sender_mac, solicited, true};
  if (message->sender != unspecified && is_ours(tables, port, message->sender)) {
    return defend(tables, claim, received_here, now_ms, transmit);
  }
  if (!message->is_reply && to_us && received_here) {
    rte_mbuf* const reply = make_arp_reply(pool_, tables.ports[port], *message);
    if (reply != nullptr) transmit.send_new(port, reply);
  }
  learn(tables, claim, now_ms, transmit);
}

void Neighbors::receive_ndp(const Tables& tables, std::span<const uint8_t> packet, size_t icmp_offset,
                            const MacAddress& asker, uint16_t port, bool received_here, uint32_t now_ms,
                            Transmit& transmit) {
  const auto message = parse_ndp(packet, icmp_offset);
  if (!message) return;
  const bool about_ours = is_ours(tables, port, message->target);
  if (message->is_advertisement) {
    const MacAddress mac = message->link_address.value_or(MacAddress{});
    Claim claim{port, message->target, mac, message->solicited, message->overrides};
    if (!about_ours) return learn(tables, claim, now_ms, transmit);
    claim.mac = message->link_address.value_or(asker);
    return defend(tables, claim, received_here, now_ms, transmit);
  }
  if (message->source != IpAddress() && is_ours(tables, port, message->source)) {
    const Claim claim{port, message->source, message->link_address.value_or(asker), false, true};
    return defend(tables, claim, received_here, now_ms, transmit);
  }
  if (message->link_address) {
    learn(tables, {port, message->source, *message->link_address, false, true}, now_ms, transmit);
  }
  if (received_here && about_ours) {
    rte_mbuf* const reply =
        make_advertisement(pool_, tables.ports[port], *message, message->link_address.value_or(asker));
    if (reply != nullptr) transmit.send_new(port, reply);
  }
}

/// Somebody speaks as if `claim.address`, one of ours, were his: RFC 5227 2.4; over IPv6 the advertisement
/// is RFC 4861's 7.2.6.
void Neighbors::defend(const Tables& tables, const Claim& claim, bool received_here, uint32_t now_ms,
                       Transmit& transmit) {
  if (is_own_mac(tables, claim.mac)) return;
  // A copy is only noted: whoever received the claim defends, and this worker will not do it again.
  const bool due = defence_.is_due(claim.port, claim.address, now_ms);
  if (!received_here) return;
  notices_.count(NoticeKind::kAddressConflict, claim.port);
  if (!due) return;
  notices_.post({NoticeKind::kAddressConflict, static_cast<uint8_t>(claim.port), claim.address,
                 tables.ports[claim.port].mac, claim.mac});
  rte_mbuf* const announcement = make_announcement(pool_, tables.ports[claim.port], claim.address);
  if (announcement != nullptr) transmit.send_new(claim.port, announcement);
}

void Neighbors::learn(const Tables& tables, const Claim& claim, uint32_t now_ms, Transmit& transmit) {
  NeighborEntry* const entry = cache_->find(claim.port, claim.address);
  if (entry == nullptr) return;  // nobody whom we send to: docs/decisions/0007
  auto known = entry->record.own();
  if (known.state == NeighborState::kStatic) return;
  const bool names_other = !claim.mac.is_zero() && claim.mac != known.mac;
  if (known.state == NeighborState::kIncomplete) {
    if (claim.mac.is_zero()) return;
    known.mac = claim.mac;
    known.state = NeighborState::kStale;
    entry->record.write(known);
    // Said by the way, it stays a question to everybody: whoever answers that has the address.
    if (claim.solicited) confirm(*entry, now_ms);
    cache_->settle(*entry, now_ms, drops_);
    return send_waiting(*cache_, *entry, tables, now_ms, *this, transmit);
  }
  if (!names_other) {
    if (claim.solicited && is_asking(*entry, now_ms)) confirm(*entry, now_ms);
    return;
  }
  if (claim.solicited && entry->asked_all && is_asking(*entry, now_ms)) return move(*entry, claim, now_ms);
  // docs/decisions/0018: traffic goes on to the old place until that does not answer any more. What does not
  // ask to override makes us ask, too, but when the neighbor is used: RFC 4861 7.2.5, I.
  if (known.state == NeighborState::kReachable) {
    known.state = NeighborState::kStale;
    entry->attempts = 0;
    entry->record.write(known);
  }
  if (!claim.overrides || entry->is_contested) return;
  entry->is_contested = true;
  entry->attempts = 0;
  if (now_ms - entry->asked_ms >= kContestPauseMs) ask(tables, *entry, now_ms, transmit);
}

/// Everybody was asked, and another station answers than had the address.
void Neighbors::move(NeighborEntry& entry, const Claim& claim, uint32_t now_ms) {
  auto known = entry.record.own();
  notices_.count(NoticeKind::kNeighborChanged, known.port);
  notices_.post(
      {NoticeKind::kNeighborChanged, static_cast<uint8_t>(known.port), known.address, known.mac, claim.mac});
  cache_->next_version();
  known.mac = claim.mac;
  entry.is_contested = false;
  entry.record.write(known);
  confirm(entry, now_ms);
}

/// The neighbor has answered our question from where it was believed to be.
void Neighbors::confirm(NeighborEntry& entry, uint32_t now_ms) {
  auto known = entry.record.own();
  if (entry.is_contested) {
    notices_.count(NoticeKind::kNeighborContested, known.port);
    notices_.post(
        {NoticeKind::kNeighborContested, static_cast<uint8_t>(known.port), known.address, {}, known.mac});
  }
  entry.is_contested = false;
  known.state = NeighborState::kReachable;
  entry.confirmed_ms = now_ms;
  entry.attempts = 0;
  entry.record.write(known);
}

void Neighbors::tick(const Tables& tables, uint32_t now_ms, Transmit& transmit) {
  const uint32_t elapsed = now_ms - last_tick_ms_;
  if (elapsed == 0) return;
  if ((now_ms ^ last_tick_ms_) >> 10 != 0) cache_->next_version();
  last_tick_ms_ = now_ms;
  const uint32_t touched = cache_->touched();
  const uint32_t visits = std::min({touched, kMaxVisits, std::min(elapsed, kMaxVisits) * kVisitsPerMs});
  for (uint32_t i = 0; i < visits; ++i) {
    if (tick_cursor_ >= touched) tick_cursor_ = 0;
    age(tables, cache_->at(tick_cursor_++), now_ms, transmit);
  }
}

void Neighbors::age(const Tables& tables, NeighborEntry& entry, uint32_t now_ms, Transmit& transmit) {
  auto known = entry.record.own();
  const bool may_ask = entry.attempts == 0 || now_ms - entry.asked_ms >= kRetransmitMs;
  switch (known.state) {
    case NeighborState::kFree:
    case NeighborState::kStatic:
      return;
    case NeighborState::kIncomplete:
      if (!may_ask) return;
      if (entry.attempts >= kMaxQuestions) return cache_->erase(entry, drops_);
      return ask(tables, entry, now_ms, transmit);
    case NeighborState::kReachable:
      if (now_ms - entry.confirmed_ms < kReachableMs) return;
      known.state = NeighborState::kStale;
      entry.attempts = 0;
      return entry.record.write(known);
    case NeighborState::kStale:
      return age_stale(tables, entry, now_ms, transmit);
  }
}

void Neighbors::age_stale(const Tables& tables, NeighborEntry& entry, uint32_t now_ms, Transmit& transmit) {
  const uint32_t unused_ms = now_ms - entry.used_ms;
  if (unused_ms >= kForgetMs) return cache_->erase(entry, drops_);
  if (!entry.is_contested && unused_ms >= kReachableMs) return;
  uint32_t pause_ms = entry.attempts == 0 ? 0 : kRetransmitMs;
  if (entry.is_contested) pause_ms = entry.attempts == 0 ? kContestPauseMs : kContestedRetransmitMs;
  if (now_ms - entry.asked_ms < pause_ms) return;
  if (entry.attempts >= unicast_questions(entry) + kMaxQuestions) return cache_->erase(entry, drops_);
  ask(tables, entry, now_ms, transmit);
}

void Neighbors::adopt_static(const Tables& tables, uint32_t now_ms, Transmit& transmit) {
  cache_->next_version();
  cache_->protect(tables.next_hop_addresses.get());
  // None, and none to be removed: the walk below is long where many neighbors are known.
  if (tables.neighbors.empty() && static_round_ == 0) return;
  static_round_ = static_cast<uint8_t>(static_round_ % UINT8_MAX + 1);
  for (const StaticNeighbor& neighbor : tables.neighbors) {
    NeighborEntry* entry = cache_->find(neighbor.port, neighbor.address);
    if (entry == nullptr) entry = cache_->insert(neighbor.port, neighbor.address, true, now_ms, drops_);
    if (entry == nullptr) continue;  // more than kMaxNeighbors
    entry->attempts = static_round_;
    entry->record.write({neighbor.port, neighbor.address, neighbor.mac, NeighborState::kStatic});
    cache_->settle(*entry, now_ms, drops_);
    send_waiting(*cache_, *entry, tables, now_ms, *this, transmit);
  }
  for (uint32_t i = 0; i < cache_->touched(); ++i) {
    NeighborEntry& entry = cache_->at(i);
    const bool is_static = entry.record.own().state == NeighborState::kStatic;
    if (is_static && entry.attempts != static_round_) cache_->erase(entry, drops_);
  }
  if (tables.neighbors.empty()) static_round_ = 0;
}

std::vector<NeighborRecord> Neighbors::snapshot() const {
  std::vector<NeighborRecord> result;
  for (uint32_t i = 0; i < cache_->touched(); ++i) {
    const NeighborRecord entry = cache_->at(i).record.read();
    if (entry.state != NeighborState::kFree) result.push_back(entry);
  }
  return result;
}

size_t Neighbors::size() const {
  return cache_->size();
}

}  // namespace sluice::dataplane
