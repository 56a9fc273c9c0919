#include "dataplane/esp/tunnel_header.h"

#include <immintrin.h>

#include <cstddef>

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
    sum_ = checksum_fold(checksum_add(header_.data(), sizeof header));
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

uint8_t* TunnelHeader::write(uint8_t* esp, size_t esp_bytes, InnerFacts inner, uint16_t id) const {
  uint8_t* const front = esp - bytes_;
  const size_t total = bytes_ + esp_bytes;
  if (is_v4_) {
    write_v4(front, total, inner, id);
  } else {
    write_v6(front, total, inner);
  }
  if (has_udp_) write_udp(front, esp, esp_bytes);
  return front;
}

void TunnelHeader::write_v4(uint8_t* front, size_t total, InnerFacts inner, uint16_t id) const {
  const auto length = Be16::from_host(static_cast<uint16_t>(total));
  const auto fragment = Be16::from_host(inner.dont_fragment ? Ipv4Header::kDontFragment : 0);
  const auto identification = Be16::from_host(inner.dont_fragment ? 0 : id);
  // The sum is made of the values: loading back what has just been stored by the field would wait for the
  // store buffer.
  const uint64_t sum = uint64_t{sum_} + (uint32_t{inner.traffic_class} << 8) + length.network() +
                       identification.network() + fragment.network();
  store(front, load<__m128i>(header_.data()));
  store(front + 16, load<uint32_t>(header_.data() + 16));
  store(front + offsetof(Ipv4Header, tos), inner.traffic_class);
  store(front + offsetof(Ipv4Header, total_length), length);
  store(front + offsetof(Ipv4Header, id), identification);
  store(front + offsetof(Ipv4Header, fragment), fragment);
  store(front + offsetof(Ipv4Header, checksum), checksum_finish(sum));
}

void TunnelHeader::write_v6(uint8_t* front, size_t total, InnerFacts inner) const {
  store(front, load<__m256i>(header_.data()));
  store(front + 32, load<uint64_t>(header_.data() + 32));
  store(front, Be32::from_host(6u << 28 | uint32_t{inner.traffic_class} << 20));
  store(front + offsetof(Ipv6Header, payload_length),
        Be16::from_host(static_cast<uint16_t>(total - sizeof(Ipv6Header))));
}

void TunnelHeader::write_udp(uint8_t* front, uint8_t* esp, size_t esp_bytes) const {
  uint8_t* const udp = esp - sizeof(UdpHeader);
  const size_t udp_bytes = sizeof(UdpHeader) + esp_bytes;
  store(udp, load<uint64_t>(header_.data() + bytes_ - sizeof(UdpHeader)));
  store(udp + offsetof(UdpHeader, length), Be16::from_host(static_cast<uint16_t>(udp_bytes)));
  if (is_v4_) return;
  const uint64_t pseudo = pseudo_header_sum(front, false, IpProtocol::kUdp, udp_bytes);
  Be16 checksum = checksum_finish(checksum_add(udp, udp_bytes, pseudo));
  if (checksum.network() == 0) checksum = Be16::from_network(0xffff);
  store(udp + offsetof(UdpHeader, checksum), checksum);
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
