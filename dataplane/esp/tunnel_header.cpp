#include "dataplane/esp/tunnel_header.h"

#include <immintrin.h>

#include <algorithm>
#include <cstddef>

#include "common/checksum.h"
#include "dataplane/packet/pseudo_header.h"

namespace sluice::dataplane {
namespace {

constexpr uint8_t kTunnelTtl = 64;
constexpr uint8_t kEcnMask = 3;
constexpr uint8_t kNotEct = 0, kEct1 = 1, kEct0 = 2, kCe = 3;  // RFC 3168, 5

}  // namespace

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

TunnelFront::TunnelFront(const TunnelHeader& header, Be32 spi, std::span<const uint8_t> link)
    : bytes_(link.size() + header.bytes() + sizeof(EspHeader)),
      outer_bytes_(header.bytes_),
      sum_(header.sum_),
      is_v4_(header.is_v4_),
      has_udp_(header.has_udp_) {
  constexpr size_t kWord = sizeof(__m256i);
  static_assert(sizeof(Ipv4Header) + sizeof(EspHeader) >= kWord &&
                kMostLinkBytes + TunnelHeader::kMostBytes + sizeof(EspHeader) <= 3 * kWord);
  alignas(kWord) std::array<uint8_t, 3 * kWord> front{};
  std::copy(link.begin(), link.end(), front.begin());
  std::copy_n(header.header_.begin(), header.bytes_, front.begin() + link.size());
  store(front.data() + bytes_ - sizeof(EspHeader), EspHeader{spi, {}, {}});
  first_ = load<__m256i>(front.data());
  second_ = load<__m256i>(front.data() + kWord);
  last_ = load<__m256i>(front.data() + bytes_ - kWord);
}

void TunnelFront::write_udp_checksum(uint8_t* ip, size_t esp_bytes) const {
  uint8_t* const udp = ip - sizeof(EspHeader) - sizeof(UdpHeader);
  const size_t udp_bytes = sizeof(UdpHeader) + esp_bytes;
  const uint64_t pseudo = pseudo_header_sum(udp - sizeof(Ipv6Header), false, IpProtocol::kUdp, udp_bytes);
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
