#include "ctrl/wire/packet_words.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>

#include "common/headers.h"

namespace sluice::ctrl {
namespace {

/// What has not been read yet.
class UnreadBytes {
 public:
  explicit UnreadBytes(std::span<const uint8_t> bytes) : left_(bytes) {}

  template <typename Header>
  std::optional<Header> take() {
    if (left_.size() < sizeof(Header)) return std::nullopt;
    const auto header = load<Header>(left_.data());
    left_ = left_.subspan(sizeof(Header));
    return header;
  }
  void skip(size_t bytes) { left_ = left_.subspan(std::min(bytes, left_.size())); }

 private:
  std::span<const uint8_t> left_;
};

std::string protocol_text(IpProtocol protocol) {
  switch (protocol) {
    case IpProtocol::kTcp:
      return "tcp";
    case IpProtocol::kUdp:
      return "udp";
    case IpProtocol::kIcmp:
      return "icmp";
    case IpProtocol::kIcmpv6:
      return "icmpv6";
    default:
      return "protocol " + std::to_string(static_cast<unsigned>(protocol));
  }
}

std::string flags_text(uint8_t flags) {
  constexpr std::array<std::pair<uint8_t, std::string_view>, 4> kFlags = {{{TcpHeader::kSyn, "SYN"},
                                                                           {TcpHeader::kFin, "FIN"},
                                                                           {TcpHeader::kRst, "RST"},
                                                                           {TcpHeader::kAck, "ACK"}}};
  std::string text;
  for (const auto& [flag, word] : kFlags) {
    if ((flags & flag) != 0) text += (text.empty() ? "" : " ") + std::string(word);
  }
  return text.empty() ? "" : " [" + text + "]";
}

std::string ports_text(Be16 source, Be16 destination) {
  return " " + std::to_string(source.host()) + " -> " + std::to_string(destination.host());
}

std::string transport_words(IpProtocol protocol, UnreadBytes bytes) {
  std::string text = ", " + protocol_text(protocol);
  if (protocol == IpProtocol::kTcp) {
    const auto tcp = bytes.take<TcpHeader>();
    if (!tcp) return text + " cut off";
    return text + ports_text(tcp->source_port, tcp->destination_port) + flags_text(tcp->flags);
  }
  if (protocol == IpProtocol::kUdp) {
    const auto udp = bytes.take<UdpHeader>();
    if (!udp) return text + " cut off";
    return text + ports_text(udp->source_port, udp->destination_port) + ", length " +
           std::to_string(udp->length.host());
  }
  if (protocol == IpProtocol::kIcmp || protocol == IpProtocol::kIcmpv6) {
    const auto icmp = bytes.take<IcmpHeader>();
    if (!icmp) return text + " cut off";
    return text + " type " + std::to_string(icmp->type) + " code " + std::to_string(icmp->code);
  }
  return text;
}

std::string ipv4_words(UnreadBytes bytes) {
  const auto ip = bytes.take<Ipv4Header>();
  if (!ip) return "ipv4 cut off";
  std::string text =
      "ipv4 " + IpAddress::v4(ip->source).to_string() + " -> " + IpAddress::v4(ip->destination).to_string() +
      ", version " + std::to_string(ip->version_ihl >> 4) + ", header " + std::to_string(ip->header_bytes()) +
      ", total " + std::to_string(ip->total_length.host()) + ", ttl " + std::to_string(ip->ttl);
  if (ip->is_fragment()) {
    const bool has_more = (ip->fragment.host() & Ipv4Header::kMoreFragments) != 0;
    return text + ", fragment at " + std::to_string((ip->fragment.host() & Ipv4Header::kOffsetMask) * 8) +
           (has_more ? ", more follow" : ", the last");
  }
  if (ip->header_bytes() > sizeof(Ipv4Header)) bytes.skip(ip->header_bytes() - sizeof(Ipv4Header));
  return text + transport_words(ip->protocol, bytes);
}

std::string ipv6_words(UnreadBytes bytes) {
  const auto ip = bytes.take<Ipv6Header>();
  if (!ip) return "ipv6 cut off";
  const std::string text = "ipv6 " + IpAddress::v6(ip->source.data()).to_string() + " -> " +
                           IpAddress::v6(ip->destination.data()).to_string() + ", payload " +
                           std::to_string(ip->payload_length.host()) + ", hop limit " +
                           std::to_string(ip->hop_limit);
  return text + transport_words(ip->next_header, bytes);
}

}  // namespace

std::string packet_words(std::span<const uint8_t> front, uint32_t length) {
  UnreadBytes bytes(front);
  std::string text = std::to_string(length) + " bytes, ";
  const auto ethernet = bytes.take<EthernetHeader>();
  if (!ethernet) return text + "ethernet cut off";
  uint16_t type = ethernet->type.host();
  for (unsigned tags = 0; (type == ether_type::kVlan || type == ether_type::kQinq) && tags < 4; ++tags) {
    const auto vlan = bytes.take<VlanHeader>();
    if (!vlan) return text + "vlan cut off";
    text += "vlan " + std::to_string(vlan->id()) + ", ";
    type = vlan->type.host();
  }
  if (type == ether_type::kIpv4) return text + ipv4_words(bytes);
  if (type == ether_type::kIpv6) return text + ipv6_words(bytes);
  if (type == ether_type::kArp) return text + "arp";
  std::array<char, 24> other;
  std::snprintf(other.data(), other.size(), "type 0x%04x", type);
  return text + other.data();
}

}  // namespace sluice::ctrl
