#include "dataplane/esp/tunnel_header.h"

#include <cstring>

#include "common/checksum.h"
#include "dataplane/esp/esp_format.h"
#include "dataplane/packet/pseudo_header.h"

namespace sluice::dataplane {
namespace {

constexpr uint8_t kTunnelTtl = 64;
constexpr uint8_t kEcnMask = 3;
constexpr uint8_t kNotEct = 0, kEct1 = 1, kEct0 = 2, kCe = 3;  // RFC 3168, 5

}  // namespace

InnerFacts inner_facts(const uint8_t* ip, bool is_v4) {
  if (!is_v4) return {reinterpret_cast<const Ipv6Header*>(ip)->traffic_class(), true};
  const auto& header = *reinterpret_cast<const Ipv4Header*>(ip);
  return {header.tos, header.dont_fragment()};
}

TunnelHeader::TunnelHeader(const IpAddress& local, const IpAddress& remote, bool has_udp)
    : is_v4_(local.is_v4()), has_udp_(has_udp) {
  const IpProtocol protocol = has_udp ? IpProtocol::kUdp : IpProtocol::kEsp;
  size_t size = 0;
  if (is_v4_) {
    Ipv4Header header{};
    header.version_ihl = 0x45;
    header.ttl = kTunnelTtl;
    header.protocol = protocol;
    header.source = local.as_v4();
    header.destination = remote.as_v4();
    store(header_.data(), header);
    size = sizeof header;
  } else {
    Ipv6Header header{};
    header.next_header = protocol;
    header.hop_limit = kTunnelTtl;
    header.source = local.bytes();
    header.destination = remote.bytes();
    store(header_.data(), header);
    size = sizeof header;
  }
  if (has_udp) {
    const auto port = Be16::from_host(UdpHeader::kEspPort);
    store(header_.data() + size, UdpHeader{port, port, {}, {}});
    size += sizeof(UdpHeader);
  }
  bytes_ = static_cast<uint8_t>(size);
}

uint8_t* TunnelHeader::write(uint8_t* esp, size_t esp_bytes, InnerFacts inner) const {
  uint8_t* const front = esp - bytes_;
  std::memcpy(front, header_.data(), bytes_);
  const size_t total = bytes_ + esp_bytes;
  if (is_v4_) {
    auto& header = *reinterpret_cast<Ipv4Header*>(front);
    header.tos = inner.traffic_class;
    header.total_length = Be16::from_host(static_cast<uint16_t>(total));
    header.fragment = Be16::from_host(inner.dont_fragment ? Ipv4Header::kDontFragment : 0);
    header.checksum = checksum_finish(checksum_add(front, sizeof header));
  } else {
    auto& header = *reinterpret_cast<Ipv6Header*>(front);
    header.version_class_flow = Be32::from_host(6u << 28 | uint32_t{inner.traffic_class} << 20);
    header.payload_length = Be16::from_host(static_cast<uint16_t>(total - sizeof header));
  }
  if (has_udp_) {
    uint8_t* const udp = esp - sizeof(UdpHeader);
    const size_t udp_bytes = sizeof(UdpHeader) + esp_bytes;
    store(udp + offsetof(UdpHeader, length), Be16::from_host(static_cast<uint16_t>(udp_bytes)));
    if (!is_v4_) {
      const uint64_t pseudo = pseudo_header_sum(front, false, IpProtocol::kUdp, udp_bytes);
      Be16 checksum = checksum_finish(checksum_add(udp, udp_bytes, pseudo));
      if (checksum.network() == 0) checksum = Be16::from_network(0xffff);
      store(udp + offsetof(UdpHeader, checksum), checksum);
    }
  }
  return front;
}

std::optional<uint8_t> ecn_after(uint8_t inner, uint8_t outer) {
  inner &= kEcnMask;
  outer &= kEcnMask;
  if (outer == kCe) {
    if (inner == kNotEct) return std::nullopt;
    return kCe;
  }
  return inner == kEct0 && outer == kEct1 ? kEct1 : inner;
}

void set_ecn(uint8_t* ip, bool is_v4, uint8_t ecn) {
  if (!is_v4) {
    ip[1] = static_cast<uint8_t>((ip[1] & ~(kEcnMask << 4)) | ecn << 4);
    return;
  }
  auto& header = *reinterpret_cast<Ipv4Header*>(ip);
  const auto before = load<Be16>(ip);
  header.tos = static_cast<uint8_t>((header.tos & ~kEcnMask) | ecn);
  ChecksumDelta delta;
  delta.replace(before, load<Be16>(ip));
  header.checksum = delta.apply(header.checksum);
}

}  // namespace sluice::dataplane
