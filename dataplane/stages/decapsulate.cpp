#include "dataplane/stages/decapsulate.h"

#include <algorithm>
#include <array>

#include "dataplane/base/burst.h"
#include "dataplane/esp/esp_packet.h"
#include "dataplane/esp/esp_worker.h"
#include "dataplane/esp/tunnel_tables.h"
#include "dataplane/packet/ethernet.h"
#include "dataplane/packet/icmp.h"
#include "dataplane/packet/parser.h"
#include "dataplane/stages/forward_known.h"
#include "dataplane/stages/route.h"

namespace sluice::dataplane {
namespace {

using Bytes = std::span<uint8_t>;

enum class Fate : uint8_t {
  kAsItWas,  ///< it is no tunnel's
  kInner,    ///< what was in it is among Inners
  kGone,     ///< dropped
};

/// What was in ESP packets of a burst, in their order: frames that nobody has parsed.
class Inners {
 public:
  struct Inner {
    rte_mbuf* packet;
    uint16_t ip_bytes;  ///< as its header says
    uint16_t tunnel;    ///< 1 + its place
    bool is_v4;
  };

  std::span<const Inner> all() const { return std::span(inners_).first(count_); }
  void add(const Inner& inner) { inners_[count_++] = inner; }

 private:
  std::array<Inner, kBurst> inners_;
  size_t count_ = 0;
};
using Inner = Inners::Inner;

TunnelCounters& counters_of(Worker& worker, uint16_t tunnel) {
  return worker.tables->tunnels->tunnels()[tunnel - 1u].state->counters[worker.place.index];
}

Fate deny(Worker& worker, uint16_t tunnel, rte_mbuf* packet, TunnelDrop reason) {
  counters_of(worker, tunnel).drop(reason);
  worker.drops.drop(packet, DropReason::kDenied, DropDetail::kTunnel);
  return Fate::kGone;
}

Bytes ip_of(rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  return {rte_pktmbuf_mtod_offset(packet, uint8_t*, meta.l3_offset), meta.ip_bytes};
}

/// What lies behind the IP header and its extensions.
Bytes upper_of(rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  return ip_of(packet).subspan(size_t{meta.l4_offset} - meta.l3_offset);
}

struct Ends {
  IpAddress local, remote;
};
Ends ends_of(rte_mbuf* packet) {
  const uint8_t* const ip = ip_of(packet).data();
  const bool is_v4 = *ip >> 4 == 4;
  return {destination_of(ip, is_v4), source_of(ip, is_v4)};
}

/// How large the packet at `ip` is, of which a whole header is there, as that says.
uint16_t said_bytes(const uint8_t* ip, bool is_v4) {
  if (is_v4) return load<Be16>(ip + offsetof(Ipv4Header, total_length)).host();
  return static_cast<uint16_t>(sizeof(Ipv6Header) +
                               load<Be16>(ip + offsetof(Ipv6Header, payload_length)).host());
}

/// What was in ESP becomes a frame of its own, which nobody sent, to the port that it came in by.
Fate become_inner(Worker& worker, uint16_t tunnel, rte_mbuf* packet, const OpenedPacket& opened,
                  uint8_t outer_ecn, Inners& inners) {
  uint8_t* const ip = opened.inner.data();
  const InnerFacts facts = inner_facts(ip, opened.is_v4);
  const auto ecn = ecn_after(facts.traffic_class, outer_ecn);
  if (!ecn) return deny(worker, tunnel, packet, TunnelDrop::kMalformed);
  const IpAddress source = source_of(ip, opened.is_v4);
  if (worker.tables->tunnels->leading_to(source) != tunnel) {
    return deny(worker, tunnel, packet, TunnelDrop::kClear);
  }
  const PortView& port = worker.tables->ports[meta_of(packet).in_port];
  uint8_t* const frame = ip - ethernet_bytes(port);
  write_ethernet(frame, port, port.mac, opened.is_v4 ? ether_type::kIpv4 : ether_type::kIpv6);
  store(frame + offsetof(EthernetHeader, source), MacAddress{});
  set_data(packet, frame, ip + opened.inner.size());
  packet->ol_flags = 0;  // what the device has found was about the outer headers
  if ((facts.traffic_class & 3) != *ecn) set_ecn(ip, opened.is_v4, *ecn);
  inners.add({packet, said_bytes(ip, opened.is_v4), tunnel, opened.is_v4});
  return Fate::kInner;
}

/// Parses such a frame, which no short way has taken. False: it is dropped.
bool admit(Worker& worker, uint8_t port, const Inner& inner) {
  rte_mbuf* const packet = inner.packet;
  PacketMeta& meta = meta_of(packet);
  const std::span<const uint8_t> frame{rte_pktmbuf_mtod(packet, const uint8_t*), packet->data_len};
  const size_t link_bytes = ethernet_bytes(worker.tables->ports[port]);
  const DropReason reason = parse_inner(frame, link_bytes, inner.is_v4, meta);
  if (reason != DropReason::kNone) {
    worker.drops.drop_frame(packet, port, reason);
    return false;
  }
  if (meta.kind == PacketKind::kNeighbor) {  // these are found on links, and a tunnel is none
    deny(worker, inner.tunnel, packet, TunnelDrop::kMalformed);
    return false;
  }
  if (is_left_to_esp(meta)) {
    worker.drops.drop(packet, refusal_unless_esp(upper_of(packet)));
    return false;
  }
  return true;
}

/// Sends on those inner packets that go on with known flows, and parses the others. Takes what goes on no
/// further out of `packets`, in whose order `inners` are, and returns how many are left.
size_t take_inners(Worker& worker, uint8_t port, std::span<const Inner> inners,
                   std::span<rte_mbuf*> packets) {
  if (inners.empty()) return packets.size();
  std::array<rte_mbuf*, kBurst> frames;
  std::ranges::transform(inners, frames.begin(), &Inner::packet);
  const std::span<rte_mbuf*> left =
      forward_known_flows(worker, port, std::span(frames).first(inners.size())).frames;
  encapsulate_marked(worker, port);
  size_t next = 0, next_left = 0, kept = 0;
  for (rte_mbuf* const packet : packets) {
    if (next < inners.size() && inners[next].packet == packet) {
      const Inner& inner = inners[next++];
      const bool is_left = next_left < left.size() && left[next_left] == packet;
      if (is_left) ++next_left;
      if (is_left && !admit(worker, port, inner)) continue;
      TunnelCounters& counters = counters_of(worker, inner.tunnel);
      counters.packets_in.add();
      counters.bytes_in.add(inner.ip_bytes);
      if (!is_left) continue;
    }
    packets[kept++] = packet;
  }
  return kept;
}

/// For what claims to be ESP, of a tunnel between these ends.
Fate open(Worker& worker, rte_mbuf* packet, const Ends& ends, Bytes esp, bool is_udp, Inners& inners) {
  const TunnelTables& tables = *worker.tables->tunnels;
  const uint16_t by_ends = tables.between(ends.local, ends.remote, is_udp);
  if (by_ends == 0) return Fate::kAsItWas;
  if (esp.size() < kLeastEspBytes) return deny(worker, by_ends, packet, TunnelDrop::kMalformed);
  const InboundEntry* const entry = tables.inbound(load<Be32>(esp.data()));
  if (entry == nullptr || worker.esp == nullptr)
    return deny(worker, by_ends, packet, TunnelDrop::kUnknownSpi);
  const Tunnel& tunnel = tables.tunnels()[entry->tunnel];
  if (tunnel.local != ends.local || tunnel.remote != ends.remote || tunnel.is_udp != is_udp) {
    return deny(worker, by_ends, packet, TunnelDrop::kUnknownSpi);
  }
  const auto number = static_cast<uint16_t>(entry->tunnel + 1);
  const OpenedPacket opened = open_packet(worker.esp->gcm(), *entry->sa, esp);
  switch (opened.outcome) {
    case OpenedPacket::Outcome::kDropped:
      return deny(worker, number, packet, opened.drop);
    case OpenedPacket::Outcome::kDummy:
      worker.drops.discard(packet);
      return Fate::kGone;
    case OpenedPacket::Outcome::kInner:
      break;
  }
  const uint8_t* const ip = ip_of(packet).data();
  const auto ecn = static_cast<uint8_t>(inner_facts(ip, *ip >> 4 == 4).traffic_class & 3);
  return become_inner(worker, number, packet, opened, ecn, inners);
}

/// A datagram to ESP's port: ESP, or IKE behind four bytes of zero, or what keeps a NAT's state alive (RFC
/// 3948, 2).
Fate open_datagram(Worker& worker, rte_mbuf* packet, Inners& inners) {
  const Ends ends = ends_of(packet);
  const TunnelTables& tables = *worker.tables->tunnels;
  const Bytes payload = upper_of(packet).subspan(sizeof(UdpHeader));
  const uint16_t tunnel = tables.between(ends.local, ends.remote, true);
  if (tunnel == 0) return Fate::kAsItWas;
  if (payload.size() == 1 && payload[0] == kNatKeepalive) {
    worker.drops.discard(packet);
    return Fate::kGone;
  }
  const bool is_ike = payload.size() >= sizeof(Be32) && load<uint32_t>(payload.data()) == 0;
  if (is_ike) return Fate::kAsItWas;
  return open(worker, packet, ends, payload, true, inners);
}

bool is_to_esp_port(const PacketMeta& meta) {
  const bool is_udp = meta.kind == PacketKind::kFlow && meta.key.protocol == IpProtocol::kUdp;
  return (is_udp && meta.key.destination_port.host() == UdpHeader::kEspPort) || is_left_to_esp(meta);
}

/// What the router could have passed on; 0 where the message is no "too big".
size_t mtu_of(Bytes message, bool is_v4) {
  constexpr uint8_t kFragmentationNeeded = 4;
  const auto icmp = load<IcmpHeader>(message.data());
  if (!is_v4) return icmp.type == icmpv6_type::kPacketTooBig ? icmp.rest.host() : 0;
  const bool is_too_big = icmp.type == icmp_type::kUnreachable && icmp.code == kFragmentationNeeded;
  return is_too_big ? icmp.rest.host() & 0xffff : 0;
}

/// Whether a quote is of a packet that the tunnel could have sent: its SPI is nothing that a stranger off the
/// way knows (RFC 4301, 8.2.1).
bool is_own_packet(const Tunnel& tunnel, Bytes quote, bool is_v4) {
  size_t at = is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  const IpProtocol protocol = is_v4 ? reinterpret_cast<const Ipv4Header*>(quote.data())->protocol
                                    : reinterpret_cast<const Ipv6Header*>(quote.data())->next_header;
  if (protocol != (tunnel.is_udp ? IpProtocol::kUdp : IpProtocol::kEsp)) return false;
  if (tunnel.is_udp) at += sizeof(UdpHeader);
  return tunnel.out != nullptr && quote.size() >= at + sizeof(Be32) &&
         load<Be32>(quote.data() + at) == tunnel.out->spi;
}

/// A router says that packets of a tunnel are too big for it: those that come next will be told so.
Fate learn_path_mtu(Worker& worker, rte_mbuf* packet) {
  constexpr size_t kLeastV4 = 576, kLeastV6 = sizeof(Ipv6Header) + 1240;  // RFC 1122 3.3.3, RFC 8200 5
  const Bytes ip = ip_of(packet);
  const bool is_v4 = ip[0] >> 4 == 4;
  const Bytes message = upper_of(packet);
  const size_t mtu = mtu_of(message, is_v4);
  const Bytes quote = message.subspan(sizeof(IcmpHeader));
  if (mtu == 0 || quote.size() < (is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header))) return Fate::kAsItWas;
  const IpAddress local = source_of(quote.data(), is_v4);
  const IpAddress remote = destination_of(quote.data(), is_v4);
  for (const bool is_udp : {false, true}) {
    const uint16_t number = worker.tables->tunnels->between(local, remote, is_udp);
    if (number == 0) return Fate::kAsItWas;
    const Tunnel& tunnel = worker.tables->tunnels->tunnels()[number - 1u];
    if (!is_own_packet(tunnel, quote, is_v4)) continue;
    const size_t least = is_v4 ? kLeastV4 : kLeastV6;
    tunnel.state->path_mtu.learn(static_cast<uint16_t>(std::clamp<size_t>(mtu, least, UINT16_MAX)),
                                 worker.now_ms);
    worker.neighbors.next_version();  // known paths say what fits; other workers' are of a second at most
    worker.drops.discard(packet);
    return Fate::kGone;
  }
  return Fate::kAsItWas;
}

bool is_icmp(const Bytes& ip) {
  return ip[0] >> 4 == 4 ? reinterpret_cast<const Ipv4Header*>(ip.data())->protocol == IpProtocol::kIcmp
                         : reinterpret_cast<const Ipv6Header*>(ip.data())->next_header == IpProtocol::kIcmpv6;
}

/// Drops a packet that came without a tunnel though one leads to its source, unless it is IKE between the
/// tunnel's ends.
Fate check_clear(Worker& worker, rte_mbuf* packet) {
  const TunnelTables& tables = *worker.tables->tunnels;
  const Ends ends = ends_of(packet);
  const uint16_t tunnel = tables.leading_to(ends.remote);
  if (tunnel == 0) return Fate::kAsItWas;
  const FlowKey& key = meta_of(packet).key;
  const bool is_ike = key.protocol == IpProtocol::kUdp && is_ike_port(key.destination_port.host()) &&
                      tables.between(ends.local, ends.remote, true) != 0;
  return is_ike ? Fate::kAsItWas : deny(worker, tunnel, packet, TunnelDrop::kClear);
}

Fate fate_of(Worker& worker, rte_mbuf* packet, Inners& inners) {
  const PacketMeta& meta = meta_of(packet);
  if (meta.kind == PacketKind::kNeighbor) return Fate::kAsItWas;
  Fate fate = Fate::kAsItWas;
  if (meta.kind == PacketKind::kOther && meta.key.protocol == IpProtocol::kEsp) {
    fate = open(worker, packet, ends_of(packet), upper_of(packet), false, inners);
  } else if (is_to_esp_port(meta)) {
    fate = open_datagram(worker, packet, inners);
    if (fate == Fate::kAsItWas && is_left_to_esp(meta)) {
      worker.drops.drop(packet, refusal_unless_esp(upper_of(packet)));
      return Fate::kGone;
    }
  } else if (meta.kind != PacketKind::kFlow && is_icmp(ip_of(packet))) {
    fate = learn_path_mtu(worker, packet);
  }
  return fate == Fate::kAsItWas ? check_clear(worker, packet) : fate;
}

/// Whether a frame, taken for one of the port's own, looks as if it came from where a tunnel leads to: true
/// too often.
bool may_be_from_tunnel(const TunnelTables& tables, const rte_mbuf& frame, size_t l3_offset) {
  const size_t needed = l3_offset + sizeof(Ipv6Header);
  if (frame.data_len < needed) return true;
  const auto* const bytes = rte_pktmbuf_mtod(&frame, const uint8_t*);
  const uint8_t* const ip = bytes + l3_offset;
  if (load<Be16>(ip - sizeof(Be16)).host() == ether_type::kIpv4) {
    return tables.may_lead_to_v4(ip + offsetof(Ipv4Header, source)) &&
           tables.leading_to(source_of(ip, true)) != 0;
  }
  return tables.may_lead_to_v6(ip + offsetof(Ipv6Header, source)) &&
         tables.leading_to(source_of(ip, false)) != 0;
}

}  // namespace

std::span<rte_mbuf*> decapsulate(Worker& worker, uint8_t port, std::span<rte_mbuf*> packets) {
  Inners inners;
  size_t kept = 0;
  for (rte_mbuf* const packet : packets) {
    if (fate_of(worker, packet, inners) != Fate::kGone) packets[kept++] = packet;
  }
  return packets.first(take_inners(worker, port, inners.all(), packets.first(kept)));
}

LeftFrames forward_known_in_clear(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames) {
  const size_t l3_offset = ethernet_bytes(worker.tables->ports[port]);
  std::array<rte_mbuf*, kBurst> held;
  size_t holding = 0, others = 0;
  for (rte_mbuf* const frame : frames) {
    const bool is_held = may_be_from_tunnel(*worker.tables->tunnels, *frame, l3_offset);
    (is_held ? held[holding++] : frames[others++]) = frame;
  }
  const LeftFrames left = forward_known_flows(worker, port, frames.first(others));
  encapsulate_marked(worker, port);
  std::copy_n(held.begin(), holding, left.frames.end());
  return {frames.first(left.frames.size() + holding), left.described};
}

}  // namespace sluice::dataplane
