// What is asked of eight flows at once, and done to a packet of each: a lane of an AVX2 register for each, or
// a row of sixteen bytes, two in one register. Pure; any thread.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/headers.h"
#include "dataplane/forward/known_paths.h"
#include "dataplane/packet/packet_lanes.h"
#include "lb/flow_table.h"

namespace sluice::dataplane {

using EightFlows = lb::FlowEntry* const*;  ///< any entries, used or not
using EightPackets = uint8_t* const*;      ///< their IP headers

/// Whether each of eight packets, over IPv4 and without options, has the key of its flow.
[[gnu::always_inline]] inline bool have_keys(EightPackets ip, EightFlows flows) {
  const __m256i compared = _mm256_set_epi32(-1, -1, -1, 0x0000ff00, -1, -1, -1, 0x0000ff00);
  constexpr size_t kOffset = lb::PackedKey::kIpv4Offset;
  __m256i differs = _mm256_setzero_si256();
  for (size_t i = 0; i < 4; ++i) {
    const __m256i keys = load_rows(&flows[i]->key, &flows[i + 4]->key);
    const __m256i theirs = load_rows(ip[i] + kOffset, ip[i + 4] + kOffset);
    differs = _mm256_or_si256(differs, _mm256_xor_si256(keys, theirs));
  }
  return _mm256_testz_si256(differs, compared) != 0;
}

/// The same over IPv6, without extension headers. `udp`: a bit for each that is of UDP, the others being of
/// TCP. The flows may be of no table.
[[gnu::always_inline]] inline bool have_keys6(const lb::FlowTable& table, EightPackets ip, EightFlows flows,
                                              uint32_t udp) {
  constexpr size_t kOffset = sizeof(Ipv6Header) - offsetof(lb::PackedKey, source_port);
  constexpr auto word_of = [](IpProtocol protocol) {
    return (static_cast<uint32_t>(protocol) | lb::PackedKey::kIpv6) << 8;
  };
  const auto keys_of = [&](size_t i) { return load_rows(&flows[i]->key, &flows[i + 4]->key); };
  const __m256i keys[] = {keys_of(0), keys_of(1), keys_of(2), keys_of(3)};
  __m256i differs = _mm256_setzero_si256();
  for (size_t i = 0; i < 4; ++i) {
    const __m256i theirs = load_rows(ip[i] + kOffset, ip[i + 4] + kOffset);
    differs = _mm256_or_si256(differs, _mm256_xor_si256(keys[i], theirs));
  }
  const __m256i ports = _mm256_set_epi32(-1, 0, 0, 0, -1, 0, 0, 0);
  const auto words = reinterpret_cast<Lanes>(_mm256_unpacklo_epi64(_mm256_unpacklo_epi32(keys[0], keys[1]),
                                                                   _mm256_unpacklo_epi32(keys[2], keys[3])));
  const Lanes wanted =
      verdicts_of(udp) ? lanes_of<word_of(IpProtocol::kUdp)> : lanes_of<word_of(IpProtocol::kTcp)>;
  const auto protocols = reinterpret_cast<__m256i>((words & lanes_of<0xff00>)^wanted);
  differs = _mm256_or_si256(_mm256_and_si256(differs, ports), protocols);
  if (_mm256_testz_si256(differs, differs) == 0) return false;
  differs = _mm256_setzero_si256();
  for (size_t i = 0; i < 8; ++i) {
    const auto addresses = load<__m256i>(ip[i] + offsetof(Ipv6Header, source));
    differs =
        _mm256_or_si256(differs, _mm256_xor_si256(addresses, load<__m256i>(&table.addresses6(*flows[i]))));
  }
  return _mm256_testz_si256(differs, differs) != 0;
}

/// The words of eight packets, without options or extension headers, that hold their checksums: that of the
/// header, with the TTL, which IPv4 alone has; and that of layer 4, of TCP in the lower half, as it is
/// loaded, of UDP in the upper.
struct ChecksumWords {
  static constexpr size_t kOfTcp = offsetof(TcpHeader, checksum);  ///< in layer 4
  static constexpr size_t kOfUdp = offsetof(UdpHeader, length);

  Lanes header, layer_4;
  uint32_t udp;  ///< a bit for each that is of UDP
};

/// checksum_changed() for those 16-bit halves of words whose bits are all set in `checksums`. To other halves
/// the summands are added without a carry back.
[[gnu::always_inline]] inline __m256i checksums_changed(__m256i words, __m256i summands, __m256i checksums) {
  const __m256i reach_ones = _mm256_cmpeq_epi16(_mm256_adds_epu16(words, summands), _mm256_set1_epi16(-1));
  return _mm256_sub_epi16(_mm256_add_epi16(words, summands), _mm256_and_si256(reach_ones, checksums));
}

/// What becomes of ChecksumWords::header, with one hop taken. `rewrites`: the first word of each Rewrite.
[[gnu::always_inline]] inline Lanes headers_changed(const ChecksumWords& before, Lanes rewrites) {
  const Lanes summands = rewrites | lanes_of<0xffff>;  // minus one, in the half with the TTL
  return reinterpret_cast<Lanes>(checksums_changed(reinterpret_cast<__m256i>(before.header),
                                                   reinterpret_cast<__m256i>(summands),
                                                   reinterpret_cast<__m256i>(lanes_of<0xffff'0000>)));
}
/// The same of ChecksumWords::layer_4, as update_l4_checksum() has it.
template <bool any_udp>
[[gnu::always_inline]] inline Lanes layer_4_changed(const ChecksumWords& before, Lanes rewrites) {
  const auto words = reinterpret_cast<__m256i>(before.layer_4);
  Lanes checksum = lanes_of<0xffff>, summands = rewrites & lanes_of<0xffff>;
  const Verdicts is_udp = verdicts_of(before.udp);
  if constexpr (any_udp) {
    summands = is_udp ? rewrites << 16 : summands;
    checksum = is_udp ? lanes_of<0xffff'0000> : checksum;
  }
  __m256i after =
      checksums_changed(words, reinterpret_cast<__m256i>(summands), reinterpret_cast<__m256i>(checksum));
  if constexpr (any_udp) {  // 0 says that there is none
    const auto of_udp = reinterpret_cast<__m256i>(is_udp & reinterpret_cast<Verdicts>(checksum));
    const __m256i zero = _mm256_setzero_si256();
    after = _mm256_or_si256(after, _mm256_and_si256(_mm256_cmpeq_epi16(after, zero), of_udp));
    after = _mm256_andnot_si256(_mm256_and_si256(_mm256_cmpeq_epi16(words, zero), of_udp), after);
  }
  return reinterpret_cast<Lanes>(after);
}

/// translate() for eight packets of one family, which have more than one hop.
template <bool is_v4, bool any_udp>
[[gnu::always_inline]] inline void translate_eight(const lb::FlowTable& table, EightPackets ip,
                                                   EightFlows flows, const ChecksumWords& before) {
  const auto rewrites_of = [&](size_t i) { return load_rows(&flows[i]->rewrite, &flows[i + 4]->rewrite); };
  const __m256i rewrites[] = {rewrites_of(0), rewrites_of(1), rewrites_of(2), rewrites_of(3)};
  const auto first_words = reinterpret_cast<Lanes>(_mm256_unpacklo_epi64(
      _mm256_unpacklo_epi32(rewrites[0], rewrites[1]), _mm256_unpacklo_epi32(rewrites[2], rewrites[3])));
  const Lanes headers = headers_changed(before, first_words);
  const Lanes layer_4 = layer_4_changed<any_udp>(before, first_words);
  const auto write = [&](size_t i, __m128i rewrite) __attribute__((always_inline)) {
    uint8_t* const packet = ip[i];
    uint8_t* const l4 = packet + (is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header));
    if constexpr (is_v4) {
      store(packet + lb::PackedKey::kIpv4Offset, rewrite);
      store(packet + lb::PackedKey::kIpv4Offset, headers[i]);
    } else {
      --packet[offsetof(Ipv6Header, hop_limit)];
      store(packet + offsetof(Ipv6Header, source), load<__m256i>(&table.addresses6(*flows[i]).new_source));
      store(l4, _mm_extract_epi32(rewrite, 3));
    }
    const bool is_udp = any_udp && (before.udp >> i & 1) != 0;
    store(l4 + (is_udp ? ChecksumWords::kOfUdp : ChecksumWords::kOfTcp), layer_4[i]);
  };
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    write(i, _mm256_castsi256_si128(rewrites[i]));
    write(i + 4, _mm256_extracti128_si256(rewrites[i], 1));
  }
}
static_assert(offsetof(lb::Rewrite, source_port) == 12);
/// The same, whether or not any of them is of UDP.
template <bool is_v4>
[[gnu::always_inline]] inline void translate_eight(const lb::FlowTable& table, EightPackets ip,
                                                   EightFlows flows, const ChecksumWords& before) {
  if (before.udp == 0) [[likely]]
    return translate_eight<is_v4, false>(table, ip, flows, before);
  translate_eight<is_v4, true>(table, ip, flows, before);
}

/// For each of eight flows the place where its path would be kept; it may hold another path.
using EightPlaces = std::array<const KnownPath*, 8>;

/// Writes the link headers, of that size, in front of eight packets, or of kBetween bytes in front of these,
/// which are written after it. `link_of`: gives that of packet i.
template <size_t kBetween, typename LinkOf>
[[gnu::always_inline]] inline void write_links(EightPackets ip, size_t size, LinkOf&& link_of) {
  if (size == sizeof(EthernetHeader)) [[likely]] {
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i) {
      const LinkHeader& link = link_of(i);
      uint8_t* const at = ip[i] - kBetween - sizeof(EthernetHeader);
      // Two bytes more, where they may be written, make it one store.
      kBetween != 0 ? store(at, load<__m128i>(link.header.data())) : link.write(at, sizeof(EthernetHeader));
    }
    return;
  }
  for (size_t i = 0; i < 8; ++i) {
    const LinkHeader& link = link_of(i);
    link.write(ip[i] - kBetween - size, size);
  }
}

/// What eight flows' packets are to do by their paths.
struct EightPaths {
  /// `ip_bytes`: how large the packets are. A bit of `seen` for each flow that goes on though it is not
  /// settled (lb::Balancer::goes_on()). Puts the paths into `path`.
  EightPaths(const KnownPaths& paths, EightFlows flows, const uint32_t* ip_bytes, uint32_t version,
             uint32_t now_ms, uint32_t seen, EightPlaces& path);

  /// Every flow is settled or seen and not idle for too long, all are of clients or all of answers, every
  /// path is known and fits its packet, and all paths have one treatment, one set of stages and link headers
  /// of one size. What a treatment asks besides is not asked, nor the way of answers.
  bool may_go;
  bool have_one_service;  ///< that of the first
  bool have_one_port;     ///< that of the first's path
  uint32_t seen_later;    ///< bit i: flow i has not been seen at `now_ms`

  bool are_together() const { return have_one_service && have_one_port; }
};

[[gnu::always_inline]] inline EightPaths::EightPaths(const KnownPaths& paths, EightFlows flows,
                                                     const uint32_t* ip_bytes, uint32_t version,
                                                     uint32_t now_ms, uint32_t seen, EightPlaces& path) {
  const auto first_of = [](Lanes lanes) {
    return reinterpret_cast<Lanes>(
        _mm256_broadcastd_epi32(_mm256_castsi256_si128(reinterpret_cast<__m256i>(lanes))));
  };
  const auto are_zero = [](Lanes lanes) {
    return _mm256_testz_si256(reinterpret_cast<__m256i>(lanes), reinterpret_cast<__m256i>(lanes)) != 0;
  };
  const auto [service, backend, last_seen_ms, marks] = load_four(flows, offsetof(lb::FlowEntry, service));
  const auto offsets =
      reinterpret_cast<__m256i>(KnownPaths::places_of(service, backend) * uint32_t{sizeof(KnownPath)});
  const __m256i all = _mm256_set1_epi64x(reinterpret_cast<int64_t>(&paths.at(0)));
  const auto pointers = [&](__m128i four) { return _mm256_add_epi64(_mm256_cvtepu32_epi64(four), all); };
  store(&path[0], pointers(_mm256_castsi256_si128(offsets)));
  store(&path[4], pointers(_mm256_extracti128_si256(offsets, 1)));
  const auto [their_service, their_backend, their_version, timeout_ms] = load_four(path.data(), 0);
  const auto [treatment, link, rest6, rest7] = load_four(path.data(), offsetof(KnownPath, rewrite));

  const Lanes idle_ms = now_ms - last_seen_ms;
  const Lanes most_idle_ms = reinterpret_cast<Lanes>(
      _mm256_max_epu32(reinterpret_cast<__m256i>(idle_ms), reinterpret_cast<__m256i>(timeout_ms)));
  const Lanes unknown = (their_service ^ service) | (their_backend ^ backend) | (their_version ^ version);
  const Lanes lane = {0, 1, 2, 3, 4, 5, 6, 7};
  const Lanes settled = marks | ((Lanes{} + seen) >> lane & 1);
  // Requests among answers, and answers among requests, count as not settled.
  const Lanes unsettled = (~settled & lanes_of<1>) | (settled ^ first_of(settled)) << 16;
  const Lanes too_large = reinterpret_cast<Lanes>(are_less(treatment >> 16, load<Lanes>(ip_bytes)));
  const Lanes other_treatment = (treatment ^ first_of(treatment)) << 16, other_link = link ^ first_of(link);
  may_go = are_zero(unknown | unsettled | (most_idle_ms ^ timeout_ms) | too_large | other_treatment |
                    (other_link & lanes_of<0xff00>));
  have_one_service = are_zero(service ^ first_of(service));
  have_one_port = are_zero(other_link & lanes_of<0xff>);
  seen_later = bits_of(idle_ms == 0) ^ 0xff;
}
static_assert(offsetof(lb::FlowEntry, is_settled) == offsetof(lb::FlowEntry, service) + 12 &&
              offsetof(lb::FlowEntry, is_reply) == offsetof(lb::FlowEntry, service) + 13);
static_assert(sizeof(StageMask) == 1 && offsetof(PathRewrite, most_ip_bytes) == 2 &&
              offsetof(PathRewrite, link) == 4 && offsetof(LinkHeader, bytes) == 1);

}  // namespace sluice::dataplane
