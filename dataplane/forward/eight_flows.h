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
#include "lb/flow_entry.h"

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

/// Gives eight packets over IPv4 their flows' other ends, and takes one of the hops of each, of which they
/// have more: translate() without the checksum of layer 4.
[[gnu::always_inline]] inline void readdress(EightPackets ip, EightFlows flows) {
  const __m256i ones = _mm256_set1_epi16(-1);
  const __m256i header_checksum = _mm256_set1_epi64x(0xffff'0000);  // the second half of the first word
  for (size_t i = 0; i < 4; ++i) {
    uint8_t* const low = ip[i] + lb::PackedKey::kIpv4Offset;
    uint8_t* const high = ip[i + 4] + lb::PackedKey::kIpv4Offset;
    const __m256i before = load_rows(low, high);
    const __m256i rewrite = load_rows(&flows[i]->rewrite, &flows[i + 4]->rewrite);
    // In the first word: to the TTL, minus one; to the checksum, its summand, as checksum_changed() adds it.
    const __m256i summands = _mm256_blend_epi16(rewrite, ones, 0x01);
    const __m256i reaches_ones = _mm256_cmpeq_epi16(_mm256_adds_epu16(before, summands), ones);
    const __m256i sums =
        _mm256_sub_epi16(_mm256_add_epi16(before, summands), _mm256_and_si256(reaches_ones, header_checksum));
    const __m256i after = _mm256_blend_epi16(rewrite, sums, 0x03);
    store(low, _mm256_castsi256_si128(after));
    store(high, _mm256_extracti128_si256(after, 1));
  }
}

/// The paths of eight flows' packets.
struct EightPaths {
  /// `ip_bytes`: how large the packets are. A bit of `seen` for each flow that goes on though it is not
  /// settled (lb::Balancer::goes_on()).
  EightPaths(const KnownPaths& paths, EightFlows flows, const uint32_t* ip_bytes, uint32_t version,
             uint32_t now_ms, uint32_t seen);

  std::array<const KnownPath*, 8> path;  ///< whichever have these places
  /// All flows go on, and are clients' or all of them answers', and their packets fit their paths, which are
  /// known, and have one treatment, the same stages and link headers of one size. What a treatment asks
  /// besides is not asked, nor the way of answers.
  bool may_go;
  bool have_one_service;  ///< that of the first
  bool have_one_port;     ///< that of the first's path
  uint32_t seen_later;    ///< bit i: flow i has not been seen at `now_ms`

  bool are_together() const { return have_one_service && have_one_port; }
};

[[gnu::always_inline]] inline EightPaths::EightPaths(const KnownPaths& paths, EightFlows flows,
                                                     const uint32_t* ip_bytes, uint32_t version,
                                                     uint32_t now_ms, uint32_t seen) {
  const auto first_of = [](Lanes lanes) {
    return reinterpret_cast<Lanes>(
        _mm256_broadcastd_epi32(_mm256_castsi256_si128(reinterpret_cast<__m256i>(lanes))));
  };
  const auto are_zero = [](Lanes lanes) {
    return _mm256_testz_si256(reinterpret_cast<__m256i>(lanes), reinterpret_cast<__m256i>(lanes)) != 0;
  };
  const auto [service, backend, last_seen_ms, marks] = load_four(flows, offsetof(lb::FlowEntry, service));
  const auto offsets =
      reinterpret_cast<__m256i>(KnownPaths::place_of(service, backend) * uint32_t{sizeof(KnownPath)});
  const __m256i places = _mm256_set1_epi64x(reinterpret_cast<int64_t>(&paths.at(0)));
  const auto pointers = [&](__m128i four) { return _mm256_add_epi64(_mm256_cvtepu32_epi64(four), places); };
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
  seen_later = bits_of(idle_ms != 0);
}
static_assert(offsetof(lb::FlowEntry, is_settled) == offsetof(lb::FlowEntry, service) + 12 &&
              offsetof(lb::FlowEntry, is_reply) == offsetof(lb::FlowEntry, service) + 13);
static_assert(sizeof(StageMask) == 1 && offsetof(PathRewrite, most_ip_bytes) == 2 &&
              offsetof(PathRewrite, link) == 4 && offsetof(LinkHeader, bytes) == 1);

}  // namespace sluice::dataplane
