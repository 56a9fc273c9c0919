#include "dataplane/stages/refuse_plain.h"

#include <array>
#include <new>

#include "dataplane/packet/plain_packets.h"
#include "lb/service_rules.h"

namespace sluice::dataplane {
namespace {

/// Writes whom a plain packet comes from where that is kept. An address that is made elsewhere is copied as a
/// whole at once, which waits for its halves to leave the store buffer.
[[gnu::always_inline]] inline void write_source(const PlainPackets& packets, size_t i, IpAddress* to) {
  const uint8_t* const ip = packets.ip(i);
  if (packets.is_v4(i)) {
    new (to) IpAddress(IpAddress::v4(load<Be32>(ip + offsetof(Ipv4Header, source))));
  } else {
    new (to) IpAddress(IpAddress::v6(ip + offsetof(Ipv6Header, source)));
  }
}

/// To which service a plain packet is sent.
struct PlainDestination {
  PlainDestination() = default;
  PlainDestination(const PlainPackets& packets, size_t i) {
    const uint8_t* const ip = packets.ip(i);
    const bool is_v4 = packets.is_v4(i);
    address = is_v4 ? IpAddress::v4(load<Be32>(ip + offsetof(Ipv4Header, destination)))
                    : IpAddress::v6(ip + offsetof(Ipv6Header, destination));
    const uint8_t* const l4 = ip + (is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header));
    port = load<Be16>(l4 + sizeof(Be16));
    protocol =
        load<IpProtocol>(ip + (is_v4 ? offsetof(Ipv4Header, protocol) : offsetof(Ipv6Header, next_header)));
  }
  bool operator==(const PlainDestination& other) const {
    return address == other.address && port == other.port && protocol == other.protocol;
  }

  IpAddress address;
  Be16 port;
  IpProtocol protocol{};  ///< none: no packet's
};

/// The rules that packets one after the other are held against: mostly those of one service.
class RulesOfDestination {
 public:
  explicit RulesOfDestination(const Worker& worker) : worker_(worker) {}

  lb::ServiceId service() const { return service_; }
  /// Whether the service lets any packet pass at this time: nobody takes its tokens meanwhile.
  bool has_token() const { return has_token_; }
  const lb::ServiceRules* find(const PlainDestination& destination) {
    if (!(destination == last_)) look_up(destination);
    return rules_;
  }

 private:
  void look_up(const PlainDestination& destination) {
    last_ = destination;
    service_ =
        worker_.tables->service_table->find(destination.address, destination.port, destination.protocol);
    rules_ = service_ == lb::kNoService ? nullptr : (*worker_.tables->services)[service_].rules;
    has_token_ = rules_ == nullptr || !rules_->packets ||
                 rules_->packets->has_token(worker_.place.balancer, worker_.now_ns);
  }

  const Worker& worker_;
  PlainDestination last_;
  lb::ServiceId service_ = lb::kNoService;
  const lb::ServiceRules* rules_ = nullptr;
  bool has_token_ = true;
};

/// What rules make of the clients of a burst's plain packets: one step after the other, each for all packets,
/// so that what one has fetched arrives while it looks at the others.
class RuleVerdicts {
 public:
  RuleVerdicts(const Worker& worker, const PlainPackets& packets, size_t count)
      : worker_(worker), asks_lists_(!worker.police.is_sweeping) {
    RulesOfDestination rules_of(worker);
    for (size_t i = 0; i < count; ++i) {
      rules_[i] = nullptr;
      if (!packets.is_plain(i)) continue;
      rules_[i] = rules_of.find(PlainDestination(packets, i));
      if (rules_[i] == nullptr) continue;
      services_[i] = rules_of.service();
      has_tokens_[i] = rules_of.has_token();
      write_source(packets, i, &clients_[i]);
      if (asks_list(i)) rules_[i]->access->fetch_index(clients_[i]);
      if (!counts_source(i)) continue;
      sources_[i] = rules_[i]->per_source->hash(clients_[i]);
      rules_[i]->per_source->packets->fetch(sources_[i]);
    }
    for (size_t i = 0; i < count; ++i) {
      if (rules_[i] != nullptr && asks_list(i)) rules_[i]->access->fetch_ranges(clients_[i]);
    }
  }

  /// Why packet i does not pass, or kNone. A martian is left to who tells of those.
  DropReason refusal_of(size_t i) const {
    if (rules_[i] == nullptr) return DropReason::kNone;
    const DropReason reason = refusal_by_rules(i);
    return reason != DropReason::kNone && worker_.tables->is_own(clients_[i]) ? DropReason::kNone : reason;
  }
  /// Of a packet that is refused.
  lb::ServiceId service(size_t i) const { return services_[i]; }

 private:
  bool asks_list(size_t i) const { return asks_lists_ && rules_[i]->access; }
  bool counts_source(size_t i) const { return rules_[i]->per_source && rules_[i]->per_source->packets; }

  DropReason refusal_by_rules(size_t i) const {
    const lb::ServiceRules& rules = *rules_[i];
    if (asks_list(i) && !rules.access->admits(clients_[i])) return DropReason::kDenied;
    const bool passes = has_tokens_[i] && (!counts_source(i) ||
                                           rules.per_source->packets->has_token(sources_[i], worker_.now_ns));
    return passes ? DropReason::kNone : DropReason::kRateLimited;
  }

  const Worker& worker_;
  const bool asks_lists_;
  std::array<const lb::ServiceRules*, PlainPackets::kMost> rules_;  ///< of the packet's service, or null
  std::array<lb::ServiceId, PlainPackets::kMost> services_;
  std::array<bool, PlainPackets::kMost> has_tokens_;  ///< the service
  std::array<IpAddress, PlainPackets::kMost> clients_;
  std::array<uint64_t, PlainPackets::kMost> sources_;  ///< hashes, where sources are counted
};

}  // namespace

std::span<rte_mbuf*> refuse_plain(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames) {
  --worker.police.refusing;
  const PlainPackets packets(frames, worker.tables->ports[port], worker.balancer.flows().hash());
  const RuleVerdicts verdicts(worker, packets, frames.size());
  // Ready before the first packet: what was just written byte by byte could not be read as words at once.
  DropNote denied{.reason = DropReason::kDenied, .detail = DropDetail::kAccessRule, .port = port};
  DropNote limited{.reason = DropReason::kRateLimited, .detail = DropDetail::kServiceLimit, .port = port};
  size_t kept = 0;
  for (size_t i = 0; i < frames.size(); ++i) {
    const DropReason reason = verdicts.refusal_of(i);
    if (reason == DropReason::kNone) {
      frames[kept++] = frames[i];
      continue;
    }
    worker.police.refusing = PoliceState::kRefusingBursts;
    DropNote& note = reason == DropReason::kDenied ? denied : limited;
    note.service = verdicts.service(i);
    worker.drops.drop_frame(frames[i], note);
  }
  return frames.first(kept);
}

}  // namespace sluice::dataplane
