#include "dataplane/stages/refuse_plain.h"

#include "dataplane/packet/plain_packets.h"
#include "lb/service_rules.h"

namespace sluice::dataplane {
namespace {

/// The ends of a plain packet that rules ask for.
struct PlainEnds {
  PlainEnds() = default;
  PlainEnds(const PlainPackets& packets, size_t i) {
    const uint8_t* const ip = packets.ip(i);
    const bool is_v4 = packets.is_v4(i);
    source = is_v4 ? IpAddress::v4(load<Be32>(ip + offsetof(Ipv4Header, source)))
                   : IpAddress::v6(ip + offsetof(Ipv6Header, source));
    destination = is_v4 ? IpAddress::v4(load<Be32>(ip + offsetof(Ipv4Header, destination)))
                        : IpAddress::v6(ip + offsetof(Ipv6Header, destination));
    const uint8_t* const l4 = ip + (is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header));
    port = load<Be16>(l4 + sizeof(Be16));
    protocol =
        load<IpProtocol>(ip + (is_v4 ? offsetof(Ipv4Header, protocol) : offsetof(Ipv6Header, next_header)));
  }
  bool has_destination_of(const PlainEnds& other) const {
    return destination == other.destination && port == other.port && protocol == other.protocol;
  }

  IpAddress source, destination;
  Be16 port;
  IpProtocol protocol{};  ///< none: no packet's
};

/// Why a packet of a client of a service does not pass, or kNone.
DropReason refusal_by(const Worker& worker, const lb::ServiceRules& rules, const IpAddress& client) {
  if (rules.access && !worker.police.is_sweeping && !rules.access->admits(client)) return DropReason::kDenied;
  if (rules.packets && !rules.packets->has_token(worker.place.balancer, worker.now_ns)) {
    return DropReason::kRateLimited;
  }
  const bool is_counted = rules.per_source && rules.per_source->packets;
  if (is_counted && !rules.per_source->packets->has_token(rules.per_source->hash(client), worker.now_ns)) {
    return DropReason::kRateLimited;
  }
  return DropReason::kNone;
}

/// The rules that packets one after the other are held against: mostly those of one service.
class RulesOfEnds {
 public:
  explicit RulesOfEnds(const Tables& tables) : tables_(tables) {}

  lb::ServiceId service() const { return service_; }
  const lb::ServiceRules* find(const PlainEnds& ends) {
    if (!ends.has_destination_of(last_)) {
      service_ = tables_.service_table->find(ends.destination, ends.port, ends.protocol);
      last_ = ends;
    }
    return service_ == lb::kNoService ? nullptr : (*tables_.services)[service_].rules;
  }

 private:
  const Tables& tables_;
  PlainEnds last_;
  lb::ServiceId service_ = lb::kNoService;
};

/// Why a plain packet does not pass, or kNone. A martian is left to who tells of those.
DropReason refusal_of(const Worker& worker, const PlainEnds& ends, RulesOfEnds& rules_of) {
  const lb::ServiceRules* const rules = rules_of.find(ends);
  if (rules == nullptr) return DropReason::kNone;
  const DropReason reason = refusal_by(worker, *rules, ends.source);
  return reason != DropReason::kNone && worker.tables->is_own(ends.source) ? DropReason::kNone : reason;
}

}  // namespace

std::span<rte_mbuf*> refuse_plain(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames) {
  --worker.police.refusing;
  const PlainLink link(worker.tables->ports[port]);
  const PlainPackets packets(frames, link, worker.balancer.flows().hash());
  RulesOfEnds rules_of(*worker.tables);
  size_t kept = 0;
  for (size_t i = 0; i < frames.size(); ++i) {
    const bool is_plain = packets.is_plain(i);
    const DropReason reason =
        is_plain ? refusal_of(worker, PlainEnds(packets, i), rules_of) : DropReason::kNone;
    if (reason == DropReason::kNone) {
      frames[kept++] = frames[i];
      continue;
    }
    worker.police.refusing = PoliceState::kRefusingBursts;
    const bool is_denied = reason == DropReason::kDenied;
    worker.drops.drop_frame(frames[i],
                            {.reason = reason,
                             .detail = is_denied ? DropDetail::kAccessRule : DropDetail::kServiceLimit,
                             .port = port,
                             .service = rules_of.service()});
  }
  return frames.first(kept);
}

}  // namespace sluice::dataplane
