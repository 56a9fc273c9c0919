#include "dataplane/packet/parser.h"

#include "common/checksum.h"
#include "common/headers.h"
#include "dataplane/packet/icmp.h"
#include "dataplane/packet/pseudo_header.h"

namespace sluice::dataplane {
namespace {

using Bytes = std::span<const uint8_t>;

template <typename Header>
const Header& header_at(Bytes bytes, size_t offset = 0) {
  return *reinterpret_cast<const Header*>(bytes.data() + offset);
}

bool is_vlan(uint16_t type) {
  return type == ether_type::kVlan || type == ether_type::kQinq;
}

struct ExtensionWalk {
  DropReason reason = DropReason::kNone;
  IpProtocol protocol{};
  size_t l4_offset = 0;
  bool later_fragment = false;  ///< of a quoted packet: no layer-4 header there
};

/// Walks the extension headers of `ip` (RFC 8200, section 4), which starts with a whole IPv6 header. A
/// fragment header ends the walk but in a quote, where a first fragment still shows its ports.
ExtensionWalk walk_extensions(Bytes ip, bool quoted) {
  ExtensionWalk walk{.protocol = header_at<Ipv6Header>(ip).next_header, .l4_offset = sizeof(Ipv6Header)};
  for (unsigned headers = 0;; ++headers) {
    const bool fragment = walk.protocol == IpProtocol::kFragment;
    if (fragment && !quoted) {
      walk.reason = DropReason::kFragment;
      return walk;
    }
    const bool routing = walk.protocol == IpProtocol::kRouting;
    if (!fragment && !routing && walk.protocol != IpProtocol::kHopByHop &&
        walk.protocol != IpProtocol::kDestinationOptions) {
      return walk;
    }
    walk.reason = DropReason::kMalformedL3;
    if (headers == kMaxExtensionHeaders || ip.size() < walk.l4_offset + 8) return walk;
    const uint8_t* header = ip.data() + walk.l4_offset;
    // A routing header that is not exhausted makes us a hop of a path, which we are not.
    if (routing && header[3] != 0 && !quoted) return walk;
    if (fragment) walk.later_fragment |= (load<Be16>(header + 2).host() & 0xfff8) != 0;
    walk.protocol = static_cast<IpProtocol>(header[0]);
    walk.l4_offset += fragment ? 8u : 8u * (header[1] + 1u);
    if (walk.l4_offset > sizeof(Ipv6Header) + kMaxExtensionBytes || walk.l4_offset > ip.size()) return walk;
    walk.reason = DropReason::kNone;
  }
}

/// Whether the one's complement sum over the pseudo-header and what lies at `l4_at` up to the packet's end is
/// what a right checksum makes it.
[[gnu::always_inline]] inline bool l4_checksum_right(Bytes ip, size_t l4_at, bool is_v4,
                                                     IpProtocol protocol) {
  const size_t l4_bytes = ip.size() - l4_at;
  const size_t addresses_at = is_v4 ? offsetof(Ipv4Header, source) : offsetof(Ipv6Header, source);
  const size_t header_bytes = is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  uint64_t sum = 0;
  if (protocol == IpProtocol::kIcmp) {
    sum = checksum_add(ip.data() + l4_at, l4_bytes);
  } else if (l4_at == header_bytes) [[likely]] {
    // The addresses lie right in front of layer 4: one piece.
    sum = checksum_add(ip.data() + addresses_at, ip.size() - addresses_at,
                       pseudo_header_rest(protocol, l4_bytes));
  } else {
    sum = checksum_add(ip.data() + l4_at, l4_bytes, pseudo_header_sum(ip.data(), is_v4, protocol, l4_bytes));
  }
  return checksum_is_right(sum);
}

DropReason parse_ports(Bytes l4, PacketMeta& meta) {
  // Both ports at once, as they lie: the same two fields begin TCP and UDP headers and end the key.
  static_assert(offsetof(FlowKey, destination_port) == offsetof(FlowKey, source_port) + 2);
  store(&meta.key.source_port, load<uint32_t>(l4.data()));
  meta.kind = PacketKind::kFlow;
  return DropReason::kNone;
}

inline DropReason parse_tcp(Bytes l4, PacketMeta& meta) {
  if (l4.size() < sizeof(TcpHeader)) return DropReason::kMalformedL4;
  const auto& tcp = header_at<TcpHeader>(l4);
  const size_t header_bytes = (tcp.data_offset >> 4) * 4u;
  if (header_bytes < sizeof(TcpHeader) || header_bytes > l4.size()) return DropReason::kMalformedL4;
  meta.tcp_flags = tcp.flags;
  return parse_ports(l4, meta);
}

inline DropReason parse_udp(Bytes l4, PacketMeta& meta) {
  if (l4.size() < sizeof(UdpHeader)) return DropReason::kMalformedL4;
  if (header_at<UdpHeader>(l4).length.host() != l4.size()) return DropReason::kMalformedL4;
  return parse_ports(l4, meta);
}

/// A datagram that is wrong as such, but goes to ESP's port, is left open: ESP has a check of its own, and a
/// checksum over it that an offload has left unfinished means nothing (RFC 3948, 2.1).
[[gnu::cold]] DropReason leave_to_esp(Bytes l4, DropReason reason, PacketMeta& meta) {
  if (l4.size() < sizeof(UdpHeader)) return reason;
  if (header_at<UdpHeader>(l4).destination_port.host() != UdpHeader::kEspPort) return reason;
  meta.kind = PacketKind::kOther;
  return DropReason::kNone;
}

DropReason parse_icmp(Bytes l4, bool is_v4, PacketMeta& meta) {
  if (l4.size() < sizeof(IcmpHeader)) return DropReason::kMalformedL4;
  switch (icmp_class(header_at<IcmpHeader>(l4), is_v4)) {
    case IcmpClass::kEchoRequest:
      meta.kind = PacketKind::kEcho;
      return DropReason::kNone;
    case IcmpClass::kNeighbor:
      meta.kind = PacketKind::kNeighbor;
      return DropReason::kNone;
    case IcmpClass::kOther:
      return DropReason::kNone;
    case IcmpClass::kError:
      break;
  }
  const Quote quote = parse_quote(l4.subspan(sizeof(IcmpHeader)), is_v4);
  if (quote.status == Quote::Status::kMalformed) return DropReason::kMalformedL4;
  if (quote.status == Quote::Status::kFlow) {
    meta.key = quote.key;
    meta.kind = PacketKind::kIcmpError;
  }
  return DropReason::kNone;
}

/// `ip` ends with the packet, whose layer-4 header is at `l4_at`; meta.key has the addresses.
[[gnu::always_inline]] inline DropReason parse_l4(Bytes ip, size_t l4_at, IpProtocol protocol, bool is_v4,
                                                  ChecksumState checksum, PacketMeta& meta) {
  const Bytes l4 = ip.subspan(l4_at);
  meta.key.protocol = protocol;
  DropReason reason = DropReason::kNone;
  if (protocol == IpProtocol::kTcp) {
    reason = parse_tcp(l4, meta);
  } else if (protocol == IpProtocol::kUdp) {
    reason = parse_udp(l4, meta);
    if (reason != DropReason::kNone) return leave_to_esp(l4, reason, meta);
    if (header_at<UdpHeader>(l4).checksum.network() == 0) {
      // RFC 768: none was made; RFC 8200, 8.1: there is to be one.
      return is_v4 ? DropReason::kNone : leave_to_esp(l4, DropReason::kBadChecksum, meta);
    }
  } else if (protocol == (is_v4 ? IpProtocol::kIcmp : IpProtocol::kIcmpv6)) {
    reason = parse_icmp(l4, is_v4, meta);
  } else {
    return DropReason::kNone;
  }
  if (reason != DropReason::kNone || checksum == ChecksumState::kGood) return reason;
  if (checksum == ChecksumState::kBad || !l4_checksum_right(ip, l4_at, is_v4, protocol)) {
    const bool may_be_esp = is_v4 && protocol == IpProtocol::kUdp;
    return may_be_esp ? leave_to_esp(l4, DropReason::kBadChecksum, meta) : DropReason::kBadChecksum;
  }
  return DropReason::kNone;
}

[[gnu::always_inline]] inline bool ipv4_checksum_right(Bytes header, ChecksumState checksum) {
  if (checksum == ChecksumState::kUnknown) {
    return checksum_is_right(checksum_add(header.data(), header.size()));
  }
  return checksum == ChecksumState::kGood;
}

/// Why a packet is dropped that does not begin with IPv4 and a header of 20 bytes, which `ip` has room for.
[[gnu::cold]] DropReason refuse_ipv4(Bytes ip, ChecksumState checksum) {
  const auto& header = header_at<Ipv4Header>(ip);
  const size_t header_bytes = header.header_bytes();
  const size_t total = header.total_length.host();
  if ((header.version_ihl >> 4) != 4 || header_bytes < sizeof header || total < header_bytes ||
      total > ip.size() || is_martian(header.source)) {
    return DropReason::kMalformedL3;
  }
  return ipv4_checksum_right(ip.first(header_bytes), checksum) ? DropReason::kIpOptions
                                                               : DropReason::kBadChecksum;
}

inline DropReason parse_ipv4(Bytes ip, DeviceChecksums device, PacketMeta& meta) {
  constexpr uint8_t kVersionAndLength = 0x45;
  if (ip.size() < sizeof(Ipv4Header)) return DropReason::kMalformedL3;
  const auto& header = header_at<Ipv4Header>(ip);
  if (header.version_ihl != kVersionAndLength) return refuse_ipv4(ip, device.ip);
  const size_t total = header.total_length.host();
  if (total < sizeof header || total > ip.size() || is_martian(header.source))
    return DropReason::kMalformedL3;
  if (!ipv4_checksum_right(ip.first(sizeof header), device.ip)) return DropReason::kBadChecksum;
  if (header.is_fragment()) return DropReason::kFragment;
  meta.key.source = IpAddress::v4(header.source);
  meta.key.destination = IpAddress::v4(header.destination);
  meta.ip_bytes = static_cast<uint16_t>(total);
  meta.l4_offset = static_cast<uint16_t>(meta.l3_offset + sizeof header);
  return parse_l4(ip.first(total), sizeof header, header.protocol, true, device.l4, meta);
}

inline DropReason parse_ipv6(Bytes ip, DeviceChecksums device, PacketMeta& meta) {
  if (ip.size() < sizeof(Ipv6Header)) return DropReason::kMalformedL3;
  const auto& header = header_at<Ipv6Header>(ip);
  const size_t total = sizeof header + header.payload_length.host();
  if ((header.version_class_flow.host() >> 28) != 6 || total > ip.size() || total > UINT16_MAX) {
    return DropReason::kMalformedL3;
  }
  meta.key.source = IpAddress::v6(header.source.data());
  meta.key.destination = IpAddress::v6(header.destination.data());
  if (meta.key.source.is_v4() || meta.key.destination.is_v4()) return DropReason::kMalformedL3;
  ip = ip.first(total);
  const ExtensionWalk walk = walk_extensions(ip, false);
  if (walk.reason != DropReason::kNone) return walk.reason;
  meta.ip_bytes = static_cast<uint16_t>(total);
  meta.l4_offset = static_cast<uint16_t>(meta.l3_offset + walk.l4_offset);
  const DropReason reason = parse_l4(ip, walk.l4_offset, walk.protocol, false, device.l4, meta);
  // Only a host that looks for its own address has none to ask from (RFC 4862, 5.4.2).
  if (is_martian(header.source) && meta.kind != PacketKind::kNeighbor) return DropReason::kMalformedL3;
  return reason;
}

Quote quote_of(Bytes quote, IpProtocol protocol, size_t l4_offset, const IpAddress& source,
               const IpAddress& destination) {
  Quote result{.status = Quote::Status::kOther};
  if (protocol != IpProtocol::kTcp && protocol != IpProtocol::kUdp) return result;
  result.status = Quote::Status::kMalformed;
  if (quote.size() < l4_offset + 8) return result;
  const uint8_t* ports = quote.data() + l4_offset;
  result.key = {source, destination, load<Be16>(ports), load<Be16>(ports + 2), protocol, {}};
  result.l4_offset = static_cast<uint16_t>(l4_offset);
  result.status = Quote::Status::kFlow;
  return result;
}

}  // namespace

DropReason parse(Bytes frame, const PortView& port, DeviceChecksums device, PacketMeta& meta) {
  if (frame.size() < sizeof(EthernetHeader)) return DropReason::kMalformedL2;
  const auto& ethernet = header_at<EthernetHeader>(frame);
  const bool to_us = ethernet.destination == port.mac;
  if (!to_us && !ethernet.destination.is_multicast()) return DropReason::kNoService;
  uint16_t type = ethernet.type.host();
  size_t offset = sizeof ethernet;
  unsigned tags = 0, priorities = 0;
  for (; is_vlan(type); offset += sizeof(VlanHeader)) {
    if (frame.size() < offset + sizeof(VlanHeader)) return DropReason::kMalformedL2;
    const auto& vlan = header_at<VlanHeader>(frame, offset);
    if (vlan.id() == 0) {
      if (++priorities > kMaxPriorityTags) return DropReason::kWrongVlan;
    } else {
      if (tags == port.vlan_tags || vlan.id() != port.vlan_ids[tags]) return DropReason::kWrongVlan;
      ++tags;
    }
    type = vlan.type.host();
  }
  if (tags != port.vlan_tags) return DropReason::kWrongVlan;

  meta = PacketMeta{};
  meta.l3_offset = static_cast<uint8_t>(offset);
  meta.l4_offset = static_cast<uint16_t>(offset);
  switch (type) {
    case ether_type::kIpv4:
      if (!to_us) return DropReason::kNoService;  // RFC 1122, 3.3.6: every host would answer
      return parse_ipv4(frame.subspan(offset), device, meta);
    case ether_type::kIpv6: {
      const DropReason reason = parse_ipv6(frame.subspan(offset), device, meta);
      const bool wanted = to_us || meta.kind == PacketKind::kNeighbor || reason != DropReason::kNone;
      return wanted ? reason : DropReason::kNoService;
    }
    case ether_type::kArp:
      if (frame.size() < offset + sizeof(ArpHeader)) return DropReason::kMalformedL3;
      meta.kind = PacketKind::kNeighbor;
      return DropReason::kNone;
    default:
      return DropReason::kNoService;
  }
}

DropReason parse_inner(Bytes frame, size_t l3_offset, bool is_v4, PacketMeta& meta) {
  const uint8_t in_port = meta.in_port;
  meta = PacketMeta{};
  meta.in_port = in_port;
  meta.l3_offset = static_cast<uint8_t>(l3_offset);
  meta.l4_offset = meta.l3_offset;
  return is_v4 ? parse_ipv4(frame.subspan(l3_offset), {}, meta)
               : parse_ipv6(frame.subspan(l3_offset), {}, meta);
}

DropReason refusal_unless_esp(Bytes datagram) {
  const bool is_whole = header_at<UdpHeader>(datagram).length.host() == datagram.size();
  return is_whole ? DropReason::kBadChecksum : DropReason::kMalformedL4;
}

Quote parse_quote(Bytes quote, bool is_v4) {
  if (is_v4) {
    if (quote.size() < sizeof(Ipv4Header)) return {};
    const auto& header = header_at<Ipv4Header>(quote);
    if ((header.version_ihl >> 4) != 4 || header.header_bytes() < sizeof header) return {};
    if ((header.fragment.host() & Ipv4Header::kOffsetMask) != 0) return {.status = Quote::Status::kOther};
    return quote_of(quote, header.protocol, header.header_bytes(), IpAddress::v4(header.source),
                    IpAddress::v4(header.destination));
  }
  if (quote.size() < sizeof(Ipv6Header)) return {};
  const auto& header = header_at<Ipv6Header>(quote);
  if ((header.version_class_flow.host() >> 28) != 6) return {};
  const IpAddress source = IpAddress::v6(header.source.data());
  const IpAddress destination = IpAddress::v6(header.destination.data());
  if (source.is_v4() || destination.is_v4()) return {};
  const ExtensionWalk walk = walk_extensions(quote, true);
  if (walk.reason != DropReason::kNone) return {};
  if (walk.later_fragment) return {.status = Quote::Status::kOther};
  return quote_of(quote, walk.protocol, walk.l4_offset, source, destination);
}

}  // namespace sluice::dataplane
