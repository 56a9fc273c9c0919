#include "sim/world/packet.h"

#include <algorithm>

namespace sluice::sim {
namespace {

constexpr size_t kEthernet = 14, kIpv4 = 20, kIpv6 = 40, kTcp = 20, kUdp = 8;
constexpr uint16_t kIpv4Type = 0x0800, kIpv6Type = 0x86dd;
constexpr uint8_t kIpip = 4, kIpv6In = 41;

uint16_t get16(FrameBytes bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
uint32_t get32(FrameBytes bytes, size_t at) {
  return static_cast<uint32_t>(get16(bytes, at)) << 16 | get16(bytes, at + 2);
}
void put16(Frame& frame, size_t at, size_t value) {
  frame[at] = static_cast<uint8_t>(value >> 8);
  frame[at + 1] = static_cast<uint8_t>(value);
}
void put32(Frame& frame, size_t at, uint32_t value) {
  put16(frame, at, value >> 16);
  put16(frame, at + 2, value);
}

/// RFC 1071, not yet complemented.
uint32_t sum_of(FrameBytes bytes, uint32_t sum = 0) {
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) sum += get16(bytes, i);
  if (bytes.size() % 2 != 0) sum += static_cast<uint32_t>(bytes.back() << 8);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

uint32_t pseudo_sum(const IpAddress& source, const IpAddress& destination, uint8_t protocol, size_t length) {
  const size_t skip = source.is_v4() ? 12 : 0;
  uint32_t sum = sum_of(FrameBytes(source.bytes()).subspan(skip));
  sum = sum_of(FrameBytes(destination.bytes()).subspan(skip), sum);
  return sum_of({}, sum + protocol + static_cast<uint32_t>(length));
}

void write_ip(Frame& frame, const Packet& packet, size_t length) {
  const size_t ip = kEthernet;
  if (packet.source.is_v4()) {
    frame[ip] = 0x45;
    put16(frame, ip + 2, kIpv4 + length);
    frame[ip + 6] = 0x40;  // do not fragment
    frame[ip + 8] = packet.ttl;
    frame[ip + 9] = static_cast<uint8_t>(packet.protocol);
    std::copy_n(packet.source.bytes().begin() + 12, 4, &frame[ip + 12]);
    std::copy_n(packet.destination.bytes().begin() + 12, 4, &frame[ip + 16]);
    put16(frame, ip + 10, static_cast<uint16_t>(~sum_of(FrameBytes(frame).subspan(ip, kIpv4))));
    return;
  }
  frame[ip] = 0x60;
  put16(frame, ip + 4, length);
  frame[ip + 6] = static_cast<uint8_t>(packet.protocol);
  frame[ip + 7] = packet.ttl;
  std::ranges::copy(packet.source.bytes(), &frame[ip + 8]);
  std::ranges::copy(packet.destination.bytes(), &frame[ip + 24]);
}

/// An IP header: what follows it, and between whom.
struct IpHeader {
  IpAddress source, destination;
  uint8_t ttl = 0, protocol = 0;
  FrameBytes content;
};

Result<IpHeader> read_ip(FrameBytes bytes) {
  if (bytes.empty()) return fail("no IP header");
  IpHeader header;
  if (bytes[0] >> 4 == 4) {
    const size_t size = (bytes[0] & 15u) * 4u;
    if (size < kIpv4 || bytes.size() < size) return fail("a cut IPv4 header");
    const size_t total = get16(bytes, 2);
    if (total < size || total > bytes.size()) return fail("an IPv4 length that is no good");
    if (sum_of(bytes.first(size)) != 0xffff) return fail("a wrong IPv4 checksum");
    header.source = IpAddress::v4(load<Be32>(&bytes[12]));
    header.destination = IpAddress::v4(load<Be32>(&bytes[16]));
    header.ttl = bytes[8];
    header.protocol = bytes[9];
    header.content = bytes.first(total).subspan(size);
    return header;
  }
  if (bytes[0] >> 4 != 6 || bytes.size() < kIpv6) return fail("neither IPv4 nor IPv6");
  const size_t length = get16(bytes, 4);
  if (kIpv6 + length > bytes.size()) return fail("an IPv6 length that is no good");
  header.source = IpAddress::v6(&bytes[8]);
  header.destination = IpAddress::v6(&bytes[24]);
  header.ttl = bytes[7];
  header.protocol = bytes[6];
  header.content = bytes.subspan(kIpv6, length);
  return header;
}

Result<void> read_transport(const IpHeader& ip, Packet& packet) {
  const FrameBytes bytes = ip.content;
  const bool is_tcp = packet.protocol == IpProtocol::kTcp;
  if (!is_tcp && packet.protocol != IpProtocol::kUdp) return fail("neither TCP nor UDP");
  if (bytes.size() < (is_tcp ? kTcp : kUdp)) return fail("a cut TCP or UDP header");
  const bool has_checksum = is_tcp || get16(bytes, 6) != 0 || ip.source.is_v6();
  const uint32_t pseudo = pseudo_sum(ip.source, ip.destination, ip.protocol, bytes.size());
  if (has_checksum && sum_of(bytes, pseudo) != 0xffff) return fail("a wrong TCP or UDP checksum");
  packet.source_port = get16(bytes, 0);
  packet.destination_port = get16(bytes, 2);
  size_t header = kUdp;
  if (is_tcp) {
    packet.sequence = get32(bytes, 4);
    packet.acknowledged = get32(bytes, 8);
    packet.flags = bytes[13];
    header = (bytes[12] >> 4) * 4u;
    if (header < kTcp || header > bytes.size()) return fail("a TCP header length that is no good");
  }
  packet.payload.assign(bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end());
  return {};
}

}  // namespace

Frame write_packet(const Packet& packet) {
  const bool is_v4 = packet.source.is_v4(), is_tcp = packet.protocol == IpProtocol::kTcp;
  const size_t transport = kEthernet + (is_v4 ? kIpv4 : kIpv6);
  const size_t header = is_tcp ? kTcp : kUdp;
  const size_t length = header + packet.payload.size();
  Frame frame(transport + length);
  std::ranges::copy(packet.to.bytes, frame.begin());
  std::ranges::copy(packet.from.bytes, frame.begin() + 6);
  put16(frame, 12, is_v4 ? kIpv4Type : kIpv6Type);
  write_ip(frame, packet, length);
  put16(frame, transport, packet.source_port);
  put16(frame, transport + 2, packet.destination_port);
  if (is_tcp) {
    put32(frame, transport + 4, packet.sequence);
    put32(frame, transport + 8, packet.acknowledged);
    frame[transport + 12] = 0x50;
    frame[transport + 13] = packet.flags;
    put16(frame, transport + 14, 0xffff);
  } else {
    put16(frame, transport + 4, length);
  }
  std::ranges::copy(packet.payload, frame.begin() + static_cast<std::ptrdiff_t>(transport + header));
  const uint32_t pseudo =
      pseudo_sum(packet.source, packet.destination, static_cast<uint8_t>(packet.protocol), length);
  uint16_t checksum = static_cast<uint16_t>(~sum_of(FrameBytes(frame).subspan(transport), pseudo));
  if (!is_tcp && checksum == 0) checksum = 0xffff;
  put16(frame, transport + (is_tcp ? 16 : 6), checksum);
  return frame;
}

Result<ReadPacket> read_packet(FrameBytes frame, uint16_t gue_port) {
  if (frame.size() < kEthernet) return fail("a cut Ethernet header");
  ReadPacket read;
  std::copy_n(frame.begin(), 6, read.packet.to.bytes.begin());
  std::copy_n(frame.begin() + 6, 6, read.packet.from.bytes.begin());
  auto ip = read_ip(frame.subspan(kEthernet));
  if (!ip) return tl::unexpected(ip.error());
  const bool is_gue = ip->protocol == static_cast<uint8_t>(IpProtocol::kUdp) && ip->content.size() > kUdp &&
                      get16(ip->content, 2) == gue_port;
  if (ip->protocol == kIpip || ip->protocol == kIpv6In || is_gue) {
    read.is_tunnelled = true;
    read.tunnel_end = ip->destination;
    if (is_gue) {
      Packet outer;
      outer.protocol = IpProtocol::kUdp;
      if (auto right = read_transport(*ip, outer); !right) return tl::unexpected(right.error());
    }
    ip = read_ip(is_gue ? ip->content.subspan(kUdp) : ip->content);
    if (!ip) return tl::unexpected(ip.error());
  }
  read.packet.source = ip->source;
  read.packet.destination = ip->destination;
  read.packet.ttl = ip->ttl;
  read.packet.protocol = static_cast<IpProtocol>(ip->protocol);
  if (auto right = read_transport(*ip, read.packet); !right) return tl::unexpected(right.error());
  return read;
}

bool is_traffic(FrameBytes frame) {
  const auto view = view_frame(frame);
  if (!view || !view->is_ip) return false;
  const auto protocol = static_cast<uint8_t>(view->key.protocol);
  return view->key.protocol == IpProtocol::kTcp || view->key.protocol == IpProtocol::kUdp ||
         protocol == kIpip || protocol == kIpv6In;
}

}  // namespace sluice::sim
