#include "dataplane/packet/icmp.h"

#include <utility>

#include "common/checksum.h"
#include "dataplane/packet/pseudo_header.h"

namespace sluice::dataplane {
namespace {

constexpr uint8_t kFragmentationNeeded = 4;       // code of kUnreachable
constexpr uint8_t kInternetworkControl = 6 << 5;  // precedence of errors: RFC 1812, 4.3.2.5

void write_ipv4(uint8_t* at, Be32 source, Be32 destination, size_t payload_bytes) {
  Ipv4Header header{};
  header.version_ihl = 0x45;
  header.tos = kInternetworkControl;
  header.total_length = Be16::from_host(static_cast<uint16_t>(sizeof header + payload_bytes));
  header.fragment = Be16::from_host(Ipv4Header::kDontFragment);  // atomic, so the id may be 0: RFC 6864
  header.ttl = kOwnHopLimit;
  header.protocol = IpProtocol::kIcmp;
  header.source = source;
  header.destination = destination;
  header.checksum = checksum_finish(checksum_add(&header, sizeof header));
  store(at, header);
}

void write_ipv6(uint8_t* at, const IpAddress& source, const IpAddress& destination, size_t payload_bytes) {
  Ipv6Header header{};
  header.version_class_flow = Be32::from_host(6u << 28);
  header.payload_length = Be16::from_host(static_cast<uint16_t>(payload_bytes));
  header.next_header = IpProtocol::kIcmpv6;
  header.hop_limit = kOwnHopLimit;
  header.source = source.bytes();
  header.destination = destination.bytes();
  store(at, header);
}

}  // namespace

void write_too_big(uint8_t* at, const IpAddress& source, const IpAddress& destination, size_t mtu,
                   size_t quoted_bytes) {
  const bool is_v4 = destination.is_v4();
  const size_t message_bytes = sizeof(IcmpHeader) + quoted_bytes;
  IcmpHeader icmp{};
  uint64_t seed = 0;
  uint8_t* const message = at + icmp_error_header_bytes(is_v4) - sizeof icmp;
  if (is_v4) {
    write_ipv4(at, source.as_v4(), destination.as_v4(), message_bytes);
    icmp.type = icmp_type::kUnreachable;
    icmp.code = kFragmentationNeeded;
  } else {
    write_ipv6(at, source, destination, message_bytes);
    icmp.type = icmpv6_type::kPacketTooBig;
    seed = pseudo_header_sum(at, false, IpProtocol::kIcmpv6, message_bytes);
  }
  icmp.rest = Be32::from_host(static_cast<uint32_t>(mtu));
  store(message, icmp);
  icmp.checksum = checksum_finish(checksum_add(message, message_bytes, seed));
  store(message, icmp);
}

void turn_into_echo_reply(uint8_t* ip, bool is_v4, size_t l4_offset) {
  auto& icmp = *reinterpret_cast<IcmpHeader*>(ip + l4_offset);
  const auto request = load<Be16>(&icmp);
  icmp.type = is_v4 ? icmp_type::kEchoReply : icmpv6_type::kEchoReply;
  ChecksumDelta type_change;
  type_change.replace(request, load<Be16>(&icmp));
  icmp.checksum = type_change.apply(icmp.checksum);
  if (is_v4) {
    // Of nothing but zeros the sum is zero, and 0 would be the checksum of another message (RFC 1624, 3).
    if (icmp.checksum.network() == 0) icmp.checksum = Be16::from_host(0xffff);
    auto& header = *reinterpret_cast<Ipv4Header*>(ip);
    std::swap(header.source, header.destination);
    const auto before = load<Be16>(&header.ttl);
    header.ttl = kOwnHopLimit;
    ChecksumDelta ttl_change;
    ttl_change.replace(before, load<Be16>(&header.ttl));
    header.checksum = ttl_change.apply(header.checksum);
  } else {
    auto& header = *reinterpret_cast<Ipv6Header*>(ip);
    std::swap(header.source, header.destination);
    header.hop_limit = kOwnHopLimit;
  }
}

}  // namespace sluice::dataplane
