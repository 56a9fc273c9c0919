#include "dataplane/packet/plain_packets.h"

#include <rte_prefetch.h>

#include <algorithm>
#include <bit>
#include <cstddef>

#include "common/checksum.h"
#include "common/headers.h"
#include "dataplane/packet/packet_lanes.h"

namespace sluice::dataplane {
namespace {

/// Stands for a frame that is not looked at: version 0.
alignas(32) std::array<uint8_t, 64> nothing;

constexpr uint32_t kTcp = static_cast<uint32_t>(IpProtocol::kTcp);
constexpr uint32_t kUdp = static_cast<uint32_t>(IpProtocol::kUdp);

/// Whether layer 4, of that many bytes and with these as fourth word, is a TCP header and what it says there
/// is.
[[gnu::always_inline]] inline Verdicts are_tcp(Lanes protocol, Lanes fourth, Lanes l4_bytes) {
  const Lanes header_bytes = fourth >> 2 & lanes_of<0x3c>;
  const Verdicts odd_size =
      are_less(header_bytes, lanes_of<sizeof(TcpHeader)>) | are_less(l4_bytes, header_bytes);
  return (protocol == lanes_of<kTcp>)&~odd_size;
}
/// Which of those begin, end or reset a connection.
[[gnu::always_inline]] inline Verdicts are_turning(Verdicts tcp, Lanes fourth) {
  constexpr uint32_t kTurning = uint32_t{TcpHeader::kTurning} << 8;
  return tcp & ((fourth & lanes_of<kTurning>) != 0);
}
/// The same for UDP and its second word.
[[gnu::always_inline]] inline Verdicts are_udp(Lanes protocol, Lanes second, Lanes l4_bytes) {
  return (protocol == lanes_of<kUdp>)&(field_of<0>(second) == l4_bytes) &
         are_less(lanes_of<sizeof(UdpHeader) - 1>, l4_bytes);
}

/// Whether IPv6 addresses are IPv4-mapped.
[[gnu::always_inline]] inline Verdicts are_mapped(const std::array<Lanes, 4>& address) {
  return (address[0] | address[1] | (address[2] ^ lanes_of<IpAddress::kMappedMark>)) == 0;
}

}  // namespace

// All is put together in registers: a load of what had just been stored in pieces would wait for every store
// before it.
PlainLink::PlainLink(const PortView& port)
    : bytes_(sizeof(EthernetHeader) + port.vlan_tags * sizeof(VlanHeader)) {
  constexpr uint64_t kMac = 0xffff'ffff'ffff;
  const auto network = [](uint16_t value) { return uint64_t{byte_swap(value)}; };
  // What follows the addresses, ten bytes at most: the tags, as they follow each other, and the packet's
  // type.
  using TenBytes = unsigned __int128;
  const auto tagged = [&](TenBytes wanted, uint16_t type, uint64_t id) {
    return wanted << 32 | id << 16 | network(type);
  };
  const auto tags = [&](TenBytes inner, bool is_wanted) {
    for (size_t tag = port.vlan_tags; tag-- > 0;) {
      const bool is_last = tag + 1 == port.vlan_tags;
      inner = is_wanted ? tagged(inner, is_last ? ether_type::kVlan : ether_type::kQinq,
                                 network(port.vlan_ids[tag]))
                        : tagged(inner, 0xffff, network(0x0fff));
    }
    return inner;
  };
  const auto header = [](uint64_t mac, TenBytes rest) {
    return _mm256_set_epi64x(0, static_cast<int64_t>(rest >> 32), static_cast<int64_t>(rest << 32),
                             static_cast<int64_t>(mac));
  };
  const uint64_t mac = load<uint32_t>(&port.mac) | uint64_t{load<uint16_t>(port.mac.bytes.data() + 4)} << 32;
  wanted_v4_ = header(mac, tags(network(ether_type::kIpv4), true));
  wanted_v6_ = header(mac, tags(network(ether_type::kIpv6), true));
  compared_ = header(kMac, tags(0xffff, false));
}

namespace {

constexpr uint64_t kChecksums = RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK;
constexpr uint64_t kRight = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;

/// data_off, refcnt, nb_segs, port, and ol_flags.
__m128i fields_of(const rte_mbuf& frame) {
  static_assert(offsetof(rte_mbuf, ol_flags) - offsetof(rte_mbuf, rearm_data) == 8);
  return load<__m128i>(&frame.rearm_data);
}

}  // namespace

PlainPackets::Kind::Kind(const rte_mbuf& frame, const PlainLink& link)
    : ip_offset(frame.data_off + link.bytes()),
      fields_(fields_of(frame)),
      buffer_word_(uint32_t{frame.buf_len} << 16) {
  const uint64_t checksums = frame.ol_flags & kChecksums;
  // One segment, of which nothing is known to be wrong, with room: in front, to forward it, and behind, for a
  // lane may read behind the frame, but not behind its buffer.
  const bool may_be_plain =
      frame.nb_segs == 1 && (checksums == 0 || checksums == kRight) && frame.data_off >= kRoomInFront;
  may_be_v4 = may_be_plain && ip_offset + lane_bytes(true) <= frame.buf_len;
  may_be_v6 = may_be_plain && ip_offset + lane_bytes(false) <= frame.buf_len;
  verified = checksums == kRight ? UINT32_MAX : 0;
}

[[gnu::always_inline]] inline bool PlainPackets::Kind::are_all(rte_mbuf* const* frames,
                                                               uint32_t* frame_bytes) const {
  static_assert(offsetof(rte_mbuf, buf_len) == offsetof(rte_mbuf, data_len) + 14);
  __m128i fields_differ = _mm_setzero_si128();
#pragma GCC unroll 8
  for (size_t i = 0; i < kLanes; ++i) {
    fields_differ = _mm_or_si128(fields_differ, _mm_xor_si128(fields_of(*frames[i]), fields_));
  }
  const auto [first, rest1, rest2, last] = load_four(frames, offsetof(rte_mbuf, data_len));
  store(frame_bytes, first & lanes_of<0xffff>);
  const Lanes buffers_differ = (last ^ buffer_word_) & lanes_of<0xffff'0000>;
  const __m128i compared = _mm_set_epi64x(static_cast<int64_t>(kChecksums), -1);
  return _mm_testz_si128(fields_differ, compared) != 0 &&
         _mm256_testz_si256(reinterpret_cast<__m256i>(buffers_differ),
                            reinterpret_cast<__m256i>(buffers_differ)) != 0;
}

PlainPackets::PlainPackets(std::span<rte_mbuf* const> frames, const PortView& port, const lb::FlowHash& hash)
    : PlainPackets(frames, port) {
  for (size_t first = 0; first < frames.size(); first += kLanes) fetch(first);
  for (size_t first = 0; first < frames.size(); first += kLanes) look_at(first, hash);
}

/// Fetches the headers of kLanes frames. False: they are not of the usual kind.
[[gnu::always_inline]] inline bool PlainPackets::fetch_usual(rte_mbuf* const* frames, size_t first) {
  const bool are_alike = usual_.are_all(frames, &frame_bytes_[first]);
  const size_t ip_offset = usual_.ip_offset;
#pragma GCC unroll 8
  for (size_t i = 0; i < kLanes; ++i) {
    uint8_t* const ip = static_cast<uint8_t*>(frames[i]->buf_addr) + ip_offset;
    ip_[first + i] = ip;
    rte_prefetch0(ip);
  }
  store(&verified_[first], Lanes{} + usual_.verified);
  families_[first / kLanes] = usual_.may_be_v6 ? Families::kV4OrV6 : Families::kV4Only;
  return are_alike && usual_.may_be_v4;
}

/// fetch() of kLanes frames.
[[gnu::always_inline]] inline void PlainPackets::fetch_eight(rte_mbuf* const* frames, size_t first) {
  if (!fetch_usual(frames, first)) [[unlikely]]
    fetch_unusual(frames, first);
}
/// The same for frames of which one is not of the usual kind: that of the first is it from now on.
[[gnu::noinline]] void PlainPackets::fetch_unusual(rte_mbuf* const* frames, size_t first) {
  usual_ = Kind(*frames[0], link_);
  if (!fetch_usual(frames, first)) families_[first / kLanes] = Families::kUnlike;
}

void PlainPackets::fetch(size_t first) {
  const size_t count = count_from(first);
  if (count != kLanes) [[unlikely]]
    return fetch_last(first, count);
  fetch_eight(&frames_[first], first);
}

/// The same for less than kLanes.
[[gnu::noinline]] void PlainPackets::fetch_last(size_t first, size_t count) {
  std::array<rte_mbuf*, kLanes> frames;
  frames.fill(frames_[first]);
  std::copy_n(&frames_[first], count, frames.begin());
  fetch_eight(frames.data(), first);
  std::fill_n(&ip_[first + count], kLanes - count, nothing.data());
}

/// Finds the packet of frame i.
void PlainPackets::find(const rte_mbuf& frame, size_t i) {
  const Kind kind(frame, link_);
  ip_[i] = static_cast<uint8_t*>(frame.buf_addr) + kind.ip_offset;
  verified_[i] = kind.verified;
  if (kind.may_be_v4 && link_.matches<true>(&ip_[i], 1)) return;
  if (kind.may_be_v6 && link_.matches<false>(&ip_[i], 1)) {
    v6_ |= uint64_t{1} << i;
  } else {
    ip_[i] = nothing.data();
  }
}

[[gnu::noinline]] void PlainPackets::find_each(size_t first, size_t count) {
  for (size_t i = first; i < first + count; ++i) find(*frames_[i], i);
}

/// Notes of eight packets how large they are.
template <uint32_t kLane>
[[gnu::always_inline]] inline PlainPackets::Sizes PlainPackets::note_sizes(size_t first, Lanes total) {
  store(&ip_bytes_[first], total);
  const Lanes frame_bytes = load<Lanes>(&frame_bytes_[first]) - static_cast<uint32_t>(link_.bytes());
  const Verdicts too_large = are_less(frame_bytes, total);
  exact_ |= uint64_t{bits_of(frame_bytes == total)} << first;
  const Verdicts longer = are_less(lanes_of<kLane>, total) & ~(too_large | load<Verdicts>(&verified_[first]));
  const uint32_t longer_bits = bits_of(longer);
  return {too_large, longer_bits == 0 ? Lanes{} : sum_rests(first, longer_bits, kLane)};
}

/// Sums what no lane reads of packets, those of the bits of `longer`, which have more than that and are
/// whole.
[[gnu::noinline]] Lanes PlainPackets::sum_rests(size_t first, uint32_t longer, size_t lane) const {
  const auto ip_bytes = load<Lanes>(&ip_bytes_[first]);
  const Lanes most = Lanes{} + static_cast<uint32_t>(lane + sizeof(__m128i));
  if (longer == 0xff && bits_of(are_less(most, ip_bytes)) == 0) return sum_short_rests(first, lane);
  std::array<uint32_t, kLanes> rests{};
  for (; longer != 0; longer &= longer - 1) {
    const auto i = static_cast<size_t>(std::countr_zero(longer));
    rests[i] = checksum_fold(checksum_add(ip_[first + i] + lane, ip_bytes_[first + i] - lane));
  }
  return load<Lanes>(rests.data());
}

/// The same for rests of 1 to 16 bytes of all of kLanes packets: of the last 16 bytes of each, what is not of
/// its rest is shifted out.
[[gnu::always_inline]] inline Lanes PlainPackets::sum_short_rests(size_t first, size_t lane) const {
  const auto rest = [&](size_t i) {
    const uint32_t ip_bytes = ip_bytes_[first + i];
    return load_tail(ip_[first + i] + ip_bytes, ip_bytes - lane);
  };
  const auto pair = [&](size_t i) {
    return reinterpret_cast<Lanes>(_mm256_inserti128_si256(_mm256_castsi128_si256(rest(i)), rest(i + 4), 1));
  };
  const Lanes low = lanes_of<0xffff>;
  // Halves become words, and of these two are added, or two lanes' neighbours, until a lane has its own.
  const auto words = [&](Lanes four) { return reinterpret_cast<__m256i>((four & low) + (four >> 16)); };
  const __m256i ab = _mm256_hadd_epi32(words(pair(0)), words(pair(1)));
  const __m256i cd = _mm256_hadd_epi32(words(pair(2)), words(pair(3)));
  return reinterpret_cast<Lanes>(_mm256_hadd_epi32(ab, cd));
}

void PlainPackets::look_at(size_t first, const lb::FlowHash& hash) {
  const size_t count = count_from(first);
  uint8_t* const* const ip = &ip_[first];
  // Nearly always there are eight, which are alike.
  const Families families = families_[first / kLanes];
  if (count != kLanes || families == Families::kUnlike) [[unlikely]]
    return look_at_others(first, count, hash);
  if (PlainLink::says_v6(ip[0])) {
    if (families == Families::kV4OrV6 && link_.matches<false>(ip, kLanes))
      return look_at_eight_v6(first, hash);
  } else if (link_.matches<true>(ip, kLanes)) [[likely]] {
    plain_ |= uint64_t{look_at_v4(ip, first, hash, hashes_from(first))} << first;
    return;
  }
  look_at_others(first, count, hash);
}

/// The same for eight over IPv6.
[[gnu::noinline]] void PlainPackets::look_at_eight_v6(size_t first, const lb::FlowHash& hash) {
  v6_ |= uint64_t{0xff} << first;
  plain_ |= uint64_t{look_at_v6(&ip_[first], first, hash, hashes_from(first))} << first;
}

/// The same for other packets, up to eight.
[[gnu::noinline]] void PlainPackets::look_at_others(size_t first, size_t count, const lb::FlowHash& hash) {
  uint8_t* const* const ip = &ip_[first];
  const uint32_t all = (1u << count) - 1;
  const Families families = families_[first / kLanes];
  if (families == Families::kV4OrV6 && link_.matches<false>(ip, count)) {
    v6_ |= uint64_t{all} << first;
  } else if (families == Families::kUnlike || !link_.matches<true>(ip, count)) {
    find_each(first, count);
  }
  const auto v6 = static_cast<uint32_t>(v6_ >> first & 0xff);
  if (v6 == 0) {
    plain_ |= uint64_t{look_at_v4(ip, first, hash, hashes_from(first))} << first;
  } else if (v6 == all) {
    plain_ |= uint64_t{look_at_v6(ip, first, hash, hashes_from(first))} << first;
  } else {
    look_at_mixed(first, v6, hash);
  }
}

/// Notes which of eight packets are sound. A bit for each of those that is plain.
[[gnu::always_inline]] inline uint32_t PlainPackets::note_sound(size_t first, Verdicts sound,
                                                                Verdicts turning) {
  const uint32_t bits = bits_of(sound);
  sound_[first / kLanes] |= static_cast<uint8_t>(bits);
  return bits & ~bits_of(turning);
}

/// Finds the plain ones of eight packets of any family; bits of `v6` say which are IPv6.
[[gnu::noinline]] void PlainPackets::look_at_mixed(size_t first, uint32_t v6, const lb::FlowHash& hash) {
  std::array<uint8_t*, kLanes> of_v4, of_v6;
  for (size_t i = 0; i < kLanes; ++i) {
    const bool is_v6 = (v6 >> i & 1) != 0;
    of_v4[i] = is_v6 ? nothing.data() : ip_[first + i];
    of_v6[i] = is_v6 ? ip_[first + i] : nothing.data();
  }
  plain_ |= uint64_t{look_at_v4(of_v4.data(), first, hash, hashes_from(first))} << first;
  const auto v4_bytes = load<Lanes>(&ip_bytes_[first]);
  std::array<uint64_t, kLanes> v6_hashes;
  plain_ |= uint64_t{look_at_v6(of_v6.data(), first, hash, v6_hashes)} << first;
  for (size_t i = 0; i < kLanes; ++i) {
    (v6 >> i & 1) != 0 ? void(hashes_[first + i] = v6_hashes[i]) : void(ip_bytes_[first + i] = v4_bytes[i]);
  }
}

/// Bit i: the packet at ip[i], which is number `first` + i, is a plain one over IPv4.
[[gnu::always_inline]] inline uint32_t PlainPackets::look_at_v4(uint8_t* const* ip, size_t first,
                                                                const lb::FlowHash& hash,
                                                                EightHashes hashes) {
  constexpr uint32_t kNoFragment = 0xff3f'0000;  // of the second word: its place and "more"; not "don't"
  const auto [word0, word1, word2, source] = load_four(ip, 0);
  const auto [destination, ports, word6, word7] = load_four(ip, 16);
  const auto [word8, word9, word10, word11] = load_four(ip, 32);
  const Lanes protocol = byte_of<1>(word2);
  hash.hash_eight(reinterpret_cast<__m256i>(source), reinterpret_cast<__m256i>(destination),
                  reinterpret_cast<__m256i>(ports), reinterpret_cast<__m256i>(protocol), hashes);

  const Lanes total = field_of<2>(word0), l4_bytes = total - lanes_of<sizeof(Ipv4Header)>;
  const auto [too_large, rest] = note_sizes<lane_bytes(true)>(first, total);
  const Lanes odd = ((word0 ^ lanes_of<0x45>)&lanes_of<0xff>) | (word1 & lanes_of<kNoFragment>) |
                    reinterpret_cast<Lanes>(too_large);
  const Verdicts lives = are_less(lanes_of<1>, byte_of<0>(word2));
  const Verdicts tcp = are_tcp(protocol, word8, l4_bytes), udp = are_udp(protocol, word6, l4_bytes);
  store(&first_words_[first], word0);
  store(&header_words_[first], word2);
  store(&layer_4_words_[first], udp ? word6 : word9);
  udp_ |= uint64_t{bits_of(udp)} << first;

  HalvesSum addresses;
  addresses.add(source, destination);
  HalvesSum header = addresses, segment = addresses;
  header.add(word0, word1, word2);
  const Lanes beyond = bits_beyond<lane_bytes(true)>(total);
  segment.add(ports, word6, cut<16>(word7, beyond), cut<12>(word8, beyond), cut<8>(word9, beyond),
              cut<4>(word10, beyond), cut<0>(word11, beyond));
  // The rest of the pseudo-header, and what the lane has not read.
  segment.add_halves((protocol << 8) + field_of<0>(l4_bytes) + rest);
  const auto verified = load<Verdicts>(verified_.data() + first);
  const Verdicts unsummed = udp & (word6 >> 16 == 0);  // RFC 768: none was made
  const Verdicts right = verified | (header.are_right() & (unsummed | segment.are_right()));

  return note_sound(first, (odd == 0) & lives & (tcp | udp) & right, are_turning(tcp, word8));
}

/// The same over IPv6. Notes which of them hide their keys.
[[gnu::always_inline]] inline uint32_t PlainPackets::look_at_v6(uint8_t* const* ip, size_t first,
                                                                const lb::FlowHash& hash,
                                                                EightHashes hashes) {
  const auto [word0, word1, source0, source1] = load_four(ip, 0);
  const auto [source2, source3, destination0, destination1] = load_four(ip, 16);
  const auto [destination2, destination3, ports, word11] = load_four(ip, 32);
  const auto [word12, word13, word14, word15] = load_four(ip, 48);
  const std::array<Lanes, 4> source{source0, source1, source2, source3};
  const std::array<Lanes, 4> destination{destination0, destination1, destination2, destination3};
  const Lanes protocol = byte_of<2>(word1);
  hash.hash_eight_v6(source, destination, ports, protocol, hashes);

  const Lanes l4_bytes = field_of<0>(word1), total = l4_bytes + lanes_of<sizeof(Ipv6Header)>;
  const Verdicts version_6 = (word0 & lanes_of<0xf0>) == lanes_of<0x60>;
  const auto [too_large, rest] = note_sizes<lane_bytes(false)>(first, total);
  const Verdicts lives = are_less(lanes_of<1>, byte_of<3>(word1));
  const Verdicts tcp = are_tcp(protocol, word13, l4_bytes), udp = are_udp(protocol, word11, l4_bytes);
  store(&first_words_[first], word0);
  store(&layer_4_words_[first], udp ? word11 : word14);
  udp_ |= uint64_t{bits_of(udp)} << first;

  HalvesSum segment;
  for (size_t i = 0; i < 4; ++i) segment.add(source[i], destination[i]);
  const Lanes beyond = bits_beyond<lane_bytes(false)>(total);
  segment.add(ports, word11, cut<12>(word12, beyond), cut<8>(word13, beyond), cut<4>(word14, beyond),
              cut<0>(word15, beyond));
  segment.add_halves((protocol << 8) + field_of<0>(l4_bytes) + rest);
  const auto verified = load<Verdicts>(verified_.data() + first);
  const Verdicts unsummed = udp & (word11 >> 16 == 0);  // RFC 8200, 8.1: there must be one
  const Verdicts right = verified | segment.are_right();

  const Verdicts extended = (protocol == static_cast<uint8_t>(IpProtocol::kHopByHop)) |
                            (protocol == lanes_of<static_cast<uint32_t>(IpProtocol::kRouting)>) |
                            (protocol == lanes_of<static_cast<uint32_t>(IpProtocol::kDestinationOptions)>);
  hidden_ |= uint64_t{bits_of(version_6 & extended)} << first;
  const Verdicts odd = too_large | unsummed | are_mapped(source) | are_mapped(destination);
  return note_sound(first, version_6 & lives & (tcp | udp) & right & ~odd, are_turning(tcp, word13));
}

}  // namespace sluice::dataplane
