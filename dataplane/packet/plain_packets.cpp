#include "dataplane/packet/plain_packets.h"

#include <rte_prefetch.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "common/checksum.h"
#include "common/headers.h"

namespace sluice::dataplane {
namespace {

/// A 32-bit word of each of eight packets, as it lies there, and what is made of it.
using Lanes [[gnu::vector_size(32)]] = uint32_t;
using Verdicts [[gnu::vector_size(32)]] = int32_t;  ///< all ones: yes

Verdicts are_less(Lanes a, Lanes b) {
  return reinterpret_cast<Verdicts>(a) < reinterpret_cast<Verdicts>(b);
}

/// Four words at `offset` of every packet, transposed.
[[gnu::always_inline]] inline std::array<Lanes, 4> load_four(uint8_t* const* ip, size_t offset) {
  const auto pair = [&](size_t i) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load<__m128i>(ip[i] + offset)),
                                   load<__m128i>(ip[i + 4] + offset), 1);
  };
  const __m256i a = pair(0), b = pair(1), c = pair(2), d = pair(3);
  const __m256i ab = _mm256_unpacklo_epi32(a, b), cd = _mm256_unpacklo_epi32(c, d);
  const __m256i ab2 = _mm256_unpackhi_epi32(a, b), cd2 = _mm256_unpackhi_epi32(c, d);
  return {reinterpret_cast<Lanes>(_mm256_unpacklo_epi64(ab, cd)),
          reinterpret_cast<Lanes>(_mm256_unpackhi_epi64(ab, cd)),
          reinterpret_cast<Lanes>(_mm256_unpacklo_epi64(ab2, cd2)),
          reinterpret_cast<Lanes>(_mm256_unpackhi_epi64(ab2, cd2))};
}

/// The byte or big-endian 16-bit field at byte `at` of each word, as a number.
template <uint8_t at>
[[gnu::always_inline]] inline Lanes byte_of(Lanes words) {
  return words >> (8 * at) & 0xff;
}
template <uint8_t at>
[[gnu::always_inline]] inline Lanes field_of(Lanes words) {
  constexpr uint32_t kPlaces = 0x8080'0000u + at * 0x100u + at + 1;
  const Lanes lane = {0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c};
  return reinterpret_cast<Lanes>(
      _mm256_shuffle_epi8(reinterpret_cast<__m256i>(words), reinterpret_cast<__m256i>(lane + kPlaces)));
}

/// What a word adds to a checksum.
[[gnu::always_inline]] inline Lanes halves(Lanes words) {
  return (words & 0xffff) + (words >> 16);
}
/// checksum_is_right() for sums below 2^24.
[[gnu::always_inline]] inline Verdicts are_right(Lanes sums) {
  return halves(halves(sums)) == 0xffff;
}
/// The words at byte `at` of packets, without what lies behind the packets' `total` bytes.
[[gnu::always_inline]] inline Lanes cut(Lanes words, uint32_t at, Lanes total) {
  const __m256i beyond = _mm256_max_epi32(reinterpret_cast<__m256i>(at + 4 - total), _mm256_setzero_si256());
  const __m256i kept = _mm256_srlv_epi32(_mm256_set1_epi32(-1), _mm256_slli_epi32(beyond, 3));
  return words & reinterpret_cast<Lanes>(kept);
}

/// Stands for a frame that is not looked at: version 0.
alignas(32) std::array<uint8_t, 64> nothing;

}  // namespace

PlainLink::PlainLink(const PortView& port) {
  alignas(32) std::array<uint8_t, kCompared> wanted{}, compared{};
  const auto want = [&](size_t at, const auto& value, const auto& bits) {
    store(wanted.data() + at, value);
    store(compared.data() + at, bits);
  };
  constexpr Be16 kWhole = Be16::from_network(0xffff), kVlanId = Be16::from_host(0x0fff);
  want(0, port.mac, MacAddress{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}});
  size_t at = offsetof(EthernetHeader, type);
  for (size_t tag = 0; tag < port.vlan_tags; ++tag, at += sizeof(VlanHeader)) {
    const bool is_last = tag + 1 == port.vlan_tags;
    want(at, Be16::from_host(is_last ? ether_type::kVlan : ether_type::kQinq), kWhole);
    want(at + sizeof(Be16), Be16::from_host(port.vlan_ids[tag]), kVlanId);
  }
  want(at, Be16::from_host(ether_type::kIpv4), kWhole);
  bytes_ = at + sizeof(Be16);
  wanted_ = load<__m256i>(wanted.data());
  compared_ = load<__m256i>(compared.data());
}

PlainPackets::PlainPackets(std::span<rte_mbuf* const> frames, const PlainLink& link,
                           const lb::FlowHash& hash) {
  constexpr size_t kAhead = 4;
  for (rte_mbuf* frame : frames.first(std::min(kAhead, frames.size()))) {
    rte_prefetch0(rte_pktmbuf_mtod(frame, void*));
  }
  for (size_t i = 0; i < frames.size(); ++i) {
    if (i + kAhead < frames.size()) rte_prefetch0(rte_pktmbuf_mtod(frames[i + kAhead], void*));
    find(*frames[i], i, link);
  }
  const size_t lanes = (frames.size() + kLanes - 1) / kLanes * kLanes;
  std::fill(ip_.begin() + frames.size(), ip_.begin() + lanes, nothing.data());
  for (size_t first = 0; first < frames.size(); first += kLanes) {
    plain_ |= look_at_eight(first, hash) << first;
  }
}

/// Finds the packet of frame i, and what its lane cannot know.
[[gnu::always_inline]] inline void PlainPackets::find(const rte_mbuf& frame, size_t i,
                                                      const PlainLink& link) {
  constexpr uint64_t kChecksums = RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK;
  constexpr uint64_t kRight = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  ip_[i] = nothing.data();
  rest_[i] = 0;
  const uint64_t checksums = frame.ol_flags & kChecksums;
  const bool verified = checksums == kRight;
  verified_[i] = verified ? UINT32_MAX : 0;
  auto* const data = rte_pktmbuf_mtod(&frame, uint8_t*);
  uint8_t* const ip = data + link.bytes();
  // A lane may read behind the frame, but not behind its buffer.
  const bool has_room = frame.data_off + link.bytes() + kLaneBytes <= frame.buf_len;
  if (!has_room || frame.nb_segs != 1 || (checksums != 0 && !verified) || !link.matches(data)) return;
  const size_t total = load<Be16>(ip + offsetof(Ipv4Header, total_length)).host();
  if (link.bytes() + total > frame.data_len) return;
  ip_[i] = ip;
  if (total > kLaneBytes && !verified) {
    rest_[i] = checksum_fold(checksum_add(ip + kLaneBytes, total - kLaneBytes));
  }
}

/// Bit i: packet `first` + i is plain. Notes the hashes of all of them.
[[gnu::always_inline]] inline uint32_t PlainPackets::look_at_eight(size_t first, const lb::FlowHash& hash) {
  constexpr uint32_t kNoFragment = 0xff3f'0000;  // of the second word: its place and "more"; not "don't"
  constexpr uint32_t kTurning = uint32_t{TcpHeader::kTurning} << 8;
  uint8_t* const* const ip = ip_.data() + first;
  const auto [word0, word1, word2, source] = load_four(ip, 0);
  const auto [destination, ports, word6, word7] = load_four(ip, 16);
  const auto [word8, word9, word10, word11] = load_four(ip, 32);
  const Lanes protocol = byte_of<1>(word2);
  hash.hash_eight(reinterpret_cast<__m256i>(source), reinterpret_cast<__m256i>(destination),
                  reinterpret_cast<__m256i>(ports), reinterpret_cast<__m256i>(protocol),
                  std::span(hashes_).subspan(first).template first<kLanes>());

  const Lanes total = field_of<2>(word0), l4_bytes = total - sizeof(Ipv4Header);
  const Verdicts version_4_and_whole = (((word0 ^ 0x45) & 0xff) | (word1 & kNoFragment)) == 0;
  const Verdicts lives = are_less(Lanes{} + 1, byte_of<0>(word2));

  const Lanes tcp_bytes = word8 >> 2 & 0x3c;
  const Verdicts tcp = (protocol == static_cast<uint8_t>(IpProtocol::kTcp)) & ((word8 & kTurning) == 0) &
                       ~are_less(tcp_bytes, Lanes{} + sizeof(TcpHeader)) & ~are_less(l4_bytes, tcp_bytes);
  const Verdicts udp = (protocol == static_cast<uint8_t>(IpProtocol::kUdp)) &
                       (field_of<0>(word6) == l4_bytes) & are_less(Lanes{} + sizeof(UdpHeader) - 1, l4_bytes);

  const Lanes addresses = halves(source) + halves(destination);
  const Lanes header = addresses + halves(word0) + halves(word1) + halves(word2);
  const Lanes pseudo_header = addresses + (protocol << 8) + field_of<0>(l4_bytes);
  const Lanes segment = halves(ports) + halves(word6) + halves(cut(word7, 28, total)) +
                        halves(cut(word8, 32, total)) + halves(cut(word9, 36, total)) +
                        halves(cut(word10, 40, total)) + halves(cut(word11, 44, total)) +
                        load<Lanes>(rest_.data() + first);
  const auto verified = load<Verdicts>(verified_.data() + first);
  const Verdicts unsummed = udp & (word6 >> 16 == 0);  // RFC 768: none was made
  const Verdicts right = verified | (are_right(header) & (unsummed | are_right(pseudo_header + segment)));

  const Verdicts plain = version_4_and_whole & lives & (tcp | udp) & right;
  return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(plain)));
}

}  // namespace sluice::dataplane
