// The outer headers of tunnels, put in front of eight packets at once: a lane of an AVX2 register for each.
// Pure; any thread.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "common/headers.h"
#include "dataplane/forward/eight_flows.h"
#include "dataplane/forward/outer_header.h"

namespace sluice::dataplane {

/// How large an outer header is.
template <bool outer_v4, bool has_udp>
inline constexpr size_t kOuterBytes = ip_header_bytes(outer_v4) + (has_udp ? sizeof(UdpHeader) : 0);

/// What the outer headers of eight packets of one family are made from.
struct EightInner {
  EightPackets ip;    ///< their IP headers, with room in front
  Lanes first_words;  ///< of these
  Lanes bytes;        ///< how large the packets are
  uint32_t udp;       ///< a bit for each that is of UDP
};

/// OuterHeader::write() for eight packets and outer headers of IPv4, with UDP or without. `ports`: where UDP
/// is, its source ports as they lie in the header, in the lower halves.
template <bool inner_v4, bool has_udp>
[[gnu::always_inline]] inline void put_behind_ipv4(const EightInner& inner, const EightPlaces& path,
                                                   Lanes ports) {
  constexpr size_t kUdp = sizeof(Ipv4Header), kAdded = kOuterBytes<true, has_udp>;
  constexpr size_t kRow = offsetof(Ipv4Header, id);  // what follows is the path's, but for the checksum
  const auto row_of = [&](size_t i) { return path[i]->rewrite.outer.header.data() + kRow; };
  const auto rows_of = [&](size_t i) { return load_rows(row_of(i), row_of(i + 4)); };
  const __m256i rows[] = {rows_of(0), rows_of(1), rows_of(2), rows_of(3)};
  const auto sum_words = reinterpret_cast<Lanes>(_mm256_unpackhi_epi64(
      _mm256_unpacklo_epi32(rows[0], rows[1]), _mm256_unpacklo_epi32(rows[2], rows[3])));

  const Lanes traffic_class =
      inner_v4 ? inner.first_words & lanes_of<0xff00>
               : (inner.first_words & lanes_of<0x0f>) << 12 | (inner.first_words >> 4 & lanes_of<0x0f00>);
  const Lanes total = field_of<0>(inner.bytes + lanes_of<kAdded>);
  const Lanes first = lanes_of<0x45> | traffic_class | total << 16;
  const Lanes sum = (sum_words >> 16) + traffic_class + total;
  const Lanes folded = sum + (sum << 16 | sum >> 16);  // in the upper half, as checksum_fold() has it
  const Lanes third = (sum_words & lanes_of<0xffff>) | (~folded & lanes_of<0xffff'0000>);
  // All paths of one version have the same destination port.
  const Lanes both_ports = ports | load<uint32_t>(path[0]->rewrite.outer.header.data() + kUdp);
  const EightPairs udp(both_ports, field_of<0>(inner.bytes + lanes_of<sizeof(UdpHeader)>));
  const auto write = [&](size_t i, __m128i row) __attribute__((always_inline)) {
    uint8_t* const outer = inner.ip[i] - kAdded;
    store(outer + kRow, row);
    store(outer, first[i]);
    store(outer + offsetof(Ipv4Header, ttl), third[i]);
    if constexpr (has_udp) store(outer + kUdp, udp[i]);
  };
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    write(i, _mm256_castsi256_si128(rows[i]));
    write(i + 4, _mm256_extracti128_si256(rows[i], 1));
  }
}
static_assert(offsetof(Ipv4Header, checksum) == offsetof(Ipv4Header, ttl) + 2 &&
              sizeof(Ipv4Header) == offsetof(Ipv4Header, id) + 16);

/// One step of folding (RFC 1071): both halves of each word, added.
[[gnu::always_inline]] inline Lanes folded_once(Lanes words) {
  return (words & lanes_of<0xffff>)+(words >> 16);
}

/// What eight packets without options or extension headers come to as part of a checksum (RFC 1071), each
/// below 2^20. All their checksums are right: so no payload is read, since what a checksum covers comes to
/// zero.
template <bool inner_v4>
[[gnu::always_inline]] inline Lanes sums_of(const EightInner& inner) {
  constexpr uint32_t kMinusZero = 8 * 0xffff;  // more than what is taken from it
  constexpr auto word_of = [](IpProtocol protocol) { return static_cast<uint32_t>(protocol) << 8; };
  const Lanes protocol =
      verdicts_of(inner.udp) ? lanes_of<word_of(IpProtocol::kUdp)> : lanes_of<word_of(IpProtocol::kTcp)>;
  if constexpr (inner_v4) {
    // The header comes to zero, and layer 4 together with its pseudo-header.
    const auto [source, destination, ports, more] = load_four(inner.ip, offsetof(Ipv4Header, source));
    const Lanes l4_bytes = field_of<0>(inner.bytes - lanes_of<sizeof(Ipv4Header)>);
    return lanes_of<kMinusZero> - folded_once(source) - folded_once(destination) - protocol - l4_bytes;
  }
  // The addresses and the size are in the header and, negative, in what layer 4 comes to.
  const Lanes second_words = load_four(inner.ip, 0)[1];
  return lanes_of<kMinusZero> + folded_once(inner.first_words) + (second_words >> 16) - protocol;
}

/// OuterHeader::write() for eight packets and outer headers of IPv6, with UDP or without. With UDP every
/// packet must have a checksum of layer 4, and all must be right.
template <bool inner_v4, bool has_udp>
[[gnu::always_inline]] inline void put_behind_ipv6(const EightInner& inner, const EightPlaces& path,
                                                   Lanes ports) {
  constexpr size_t kUdp = sizeof(Ipv6Header), kAdded = kOuterBytes<false, has_udp>;
  constexpr size_t kAddresses = offsetof(Ipv6Header, source);
  const auto header_of = [&](size_t i) { return path[i]->rewrite.outer.header.data(); };
  const Lanes first = inner_v4 ? lanes_of<0x60> | (inner.first_words >> 12 & lanes_of<0x0f>) |
                                     (inner.first_words & lanes_of<0x0f00>) << 4
                               : inner.first_words & lanes_of<0xf0ff>;
  const Lanes payload = field_of<0>(inner.bytes + lanes_of<kAdded - sizeof(Ipv6Header)>);
  // All paths of eight have the same protocol and hop limit.
  const uint32_t protocol = load<uint32_t>(header_of(0) + offsetof(Ipv6Header, payload_length)) & 0xffff'0000;
  const EightPairs head(first, payload | protocol);
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) {
    uint8_t* const outer = inner.ip[i] - kAdded;
    store(outer, head[i]);
    store(outer + kAddresses, load<__m256i>(header_of(i) + kAddresses));
  }
  if constexpr (!has_udp) return;

  // All paths of one version have the same destination port.
  const Lanes both_ports = ports | load<uint32_t>(header_of(0) + kUdp);
  const std::array<const uint8_t*, 8> headers = {header_of(0), header_of(1), header_of(2), header_of(3),
                                                 header_of(4), header_of(5), header_of(6), header_of(7)};
  const Lanes outer_sums = load_four(headers.data(), 0)[1] & lanes_of<0xffff>;
  const Lanes sum = outer_sums + payload + payload + folded_once(both_ports) + sums_of<inner_v4>(inner);
  const Lanes checksum = folded_once(folded_once(sum)) ^ lanes_of<0xffff>;
  const Lanes sent = checksum == 0 ? lanes_of<0xffff> : checksum;  // 0 would say that there is none
  const EightPairs udp(both_ports, payload | sent << 16);
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) store(inner.ip[i] - sizeof(UdpHeader), udp[i]);
}
static_assert(offsetof(Ipv6Header, source) == 8 && sizeof(Ipv6Header) == 8 + 32);

}  // namespace sluice::dataplane
