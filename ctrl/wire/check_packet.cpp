#include "ctrl/wire/check_packet.h"

#include <cstring>

#include "common/checksum.h"
#include "dataplane/packet/pseudo_header.h"

namespace sluice::ctrl {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr uint8_t kHopLimit = 64;
constexpr uint8_t kEndOfOptions = 0, kNoOperation = 1, kMaximumSegmentSize = 2;
constexpr size_t kSegmentSizeOption = 4;

size_t ip_header_bytes(const IpAddress& address) {
  return address.is_v4() ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
}

void write_ip(uint8_t* at, const CheckEnds& ends, IpProtocol protocol, size_t total) {
  if (ends.own.is_v4()) {
    Ipv4Header header{};
    header.version_ihl = 0x45;
    header.total_length = Be16::from_host(static_cast<uint16_t>(total));
    header.fragment = Be16::from_host(Ipv4Header::kDontFragment);  // so that no id is needed: RFC 6864, 4
    header.ttl = kHopLimit;
    header.protocol = protocol;
    header.source = ends.own.as_v4();
    header.destination = ends.peer.as_v4();
    header.checksum = checksum_finish(checksum_add(&header, sizeof header));
    return store(at, header);
  }
  Ipv6Header header{};
  header.version_class_flow = Be32::from_host(6u << 28);
  header.payload_length = Be16::from_host(static_cast<uint16_t>(total - sizeof header));
  header.next_header = protocol;
  header.hop_limit = kHopLimit;
  header.source = ends.own.bytes();
  header.destination = ends.peer.bytes();
  store(at, header);
}

Be16 checksum_of(const uint8_t* ip, const CheckEnds& ends, IpProtocol protocol, Bytes upper) {
  const uint64_t pseudo = dataplane::pseudo_header_sum(ip, ends.own.is_v4(), protocol, upper.size());
  return checksum_finish(checksum_add(upper.data(), upper.size(), pseudo));
}

/// The packet behind an IP header of `protocol` from peer to own, cut to its length.
std::optional<Bytes> upper_of(Bytes ip, const CheckEnds& ends, IpProtocol protocol) {
  const size_t header_bytes = ip_header_bytes(ends.own);
  if (ip.size() < header_bytes) return std::nullopt;
  size_t total = 0;
  if (ends.own.is_v4()) {
    const auto header = load<Ipv4Header>(ip.data());
    if (header.version_ihl != 0x45 || header.is_fragment() || header.protocol != protocol ||
        header.source.network() != ends.peer.as_v4().network() ||
        header.destination.network() != ends.own.as_v4().network()) {
      return std::nullopt;
    }
    total = header.total_length.host();
  } else {
    const auto header = load<Ipv6Header>(ip.data());
    if (ip[0] >> 4 != 6 || header.next_header != protocol || header.source != ends.peer.bytes() ||
        header.destination != ends.own.bytes()) {
      return std::nullopt;
    }
    total = sizeof header + header.payload_length.host();
  }
  if (total < header_bytes || total > ip.size()) return std::nullopt;
  return ip.subspan(header_bytes, total - header_bytes);
}

bool has_ports(Bytes upper, const CheckEnds& ends) {
  return load<Be16>(upper.data()).host() == ends.peer_port &&
         load<Be16>(upper.data() + sizeof(Be16)).host() == ends.own_port;
}

/// The maximum segment size among the options (RFC 9293, 3.2); 0: there is none.
uint16_t segment_size_in(Bytes options) {
  while (!options.empty() && options[0] != kEndOfOptions) {
    if (options[0] == kNoOperation) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) return 0;
    if (options[0] == kMaximumSegmentSize && options[1] == kSegmentSizeOption) {
      return load<Be16>(options.data() + 2).host();
    }
    options = options.subspan(options[1]);
  }
  return 0;
}

}  // namespace

size_t write_tcp(std::span<uint8_t> room, const CheckEnds& ends, const TcpSegment& segment) {
  const size_t option_bytes = segment.most_payload != 0 ? kSegmentSizeOption : 0;
  const size_t header_bytes = sizeof(TcpHeader) + option_bytes;
  const size_t start = ip_header_bytes(ends.own);
  const size_t total = start + header_bytes + segment.payload.size();
  if (total > room.size()) return 0;
  write_ip(room.data(), ends, IpProtocol::kTcp, total);
  uint8_t* const tcp_at = room.data() + start;
  TcpHeader tcp{};
  tcp.source_port = Be16::from_host(ends.own_port);
  tcp.destination_port = Be16::from_host(ends.peer_port);
  tcp.sequence = Be32::from_host(segment.sequence);
  tcp.acknowledgment = Be32::from_host(segment.acknowledgment);
  tcp.data_offset = static_cast<uint8_t>(header_bytes / 4 << 4);
  tcp.flags = segment.flags;
  tcp.window = Be16::from_host(segment.window);
  store(tcp_at, tcp);
  if (option_bytes != 0) {
    tcp_at[sizeof tcp] = kMaximumSegmentSize;
    tcp_at[sizeof tcp + 1] = kSegmentSizeOption;
    store(tcp_at + sizeof tcp + 2, Be16::from_host(segment.most_payload));
  }
  if (!segment.payload.empty()) {
    std::memcpy(tcp_at + header_bytes, segment.payload.data(), segment.payload.size());
  }
  tcp.checksum = checksum_of(room.data(), ends, IpProtocol::kTcp, {tcp_at, total - start});
  store(tcp_at, tcp);
  return total;
}

size_t write_udp(std::span<uint8_t> room, const CheckEnds& ends, Bytes payload) {
  const size_t start = ip_header_bytes(ends.own);
  const size_t udp_bytes = sizeof(UdpHeader) + payload.size();
  if (start + udp_bytes > room.size()) return 0;
  write_ip(room.data(), ends, IpProtocol::kUdp, start + udp_bytes);
  uint8_t* const udp_at = room.data() + start;
  UdpHeader udp{Be16::from_host(ends.own_port),
                Be16::from_host(ends.peer_port),
                Be16::from_host(static_cast<uint16_t>(udp_bytes)),
                {}};
  store(udp_at, udp);
  if (!payload.empty()) std::memcpy(udp_at + sizeof udp, payload.data(), payload.size());
  const Be16 sum = checksum_of(room.data(), ends, IpProtocol::kUdp, {udp_at, udp_bytes});
  udp.checksum = sum.network() == 0 ? Be16::from_host(0xffff) : sum;  // RFC 768: zero says that there is none
  store(udp_at, udp);
  return start + udp_bytes;
}

std::optional<TcpSegment> read_tcp(Bytes ip, const CheckEnds& ends) {
  const auto upper = upper_of(ip, ends, IpProtocol::kTcp);
  if (!upper || upper->size() < sizeof(TcpHeader) || !has_ports(*upper, ends)) return std::nullopt;
  const auto tcp = load<TcpHeader>(upper->data());
  const size_t header_bytes = size_t{tcp.data_offset} >> 4 << 2;
  if (header_bytes < sizeof tcp || header_bytes > upper->size()) return std::nullopt;
  return TcpSegment{.sequence = tcp.sequence.host(),
                    .acknowledgment = tcp.acknowledgment.host(),
                    .flags = tcp.flags,
                    .window = tcp.window.host(),
                    .most_payload = segment_size_in(upper->subspan(sizeof tcp, header_bytes - sizeof tcp)),
                    .payload = upper->subspan(header_bytes)};
}

std::optional<Bytes> read_udp(Bytes ip, const CheckEnds& ends) {
  const auto upper = upper_of(ip, ends, IpProtocol::kUdp);
  if (!upper || upper->size() < sizeof(UdpHeader) || !has_ports(*upper, ends)) return std::nullopt;
  const size_t udp_bytes = load<UdpHeader>(upper->data()).length.host();
  if (udp_bytes < sizeof(UdpHeader) || udp_bytes > upper->size()) return std::nullopt;
  return upper->subspan(sizeof(UdpHeader), udp_bytes - sizeof(UdpHeader));
}

std::optional<uint16_t> destination_port_of(Bytes ip) {
  if (ip.empty()) return std::nullopt;
  const size_t start = ip[0] >> 4 == 4 ? (ip[0] & 0x0f) * size_t{4} : sizeof(Ipv6Header);
  if (ip.size() < start + 2 * sizeof(Be16)) return std::nullopt;
  return load<Be16>(ip.data() + start + sizeof(Be16)).host();
}

}  // namespace sluice::ctrl
