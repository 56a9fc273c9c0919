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
/// is, and turns nothing.
[[gnu::always_inline]] inline Verdicts are_tcp(Lanes protocol, Lanes fourth, Lanes l4_bytes) {
  constexpr uint32_t kTurning = uint32_t{TcpHeader::kTurning} << 8;
  const Lanes header_bytes = fourth >> 2 & lanes_of<0x3c>;
  return (protocol == lanes_of<kTcp>)&((fourth & lanes_of<kTurning>) == 0) &
         ~(are_less(header_bytes, lanes_of<sizeof(TcpHeader)>) | are_less(l4_bytes, header_bytes));
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

/// What of its buffer decides whether a frame may be plain at all, before a byte of it is read. Nearly all
/// frames of a burst are of one kind.
class PlainPackets::Kind {
 public:
  Kind(const rte_mbuf& frame, const PlainLink& link)
      : fields_(fields_of(frame)),
        buffer_bytes_(frame.buf_len),
        checksums_(frame.ol_flags & kChecksums),
        ip_offset(frame.data_off + link.bytes()),
        may_be_v4(may_be_plain(frame, lane_bytes(true))),
        may_be_v6(may_be_plain(frame, lane_bytes(false))),
        verified(checksums_ == kRight ? UINT32_MAX : 0) {}

  /// What differs of another frame, to be gathered: zero in the end where all are of this kind.
  struct Differences {
    __m128i fields = _mm_setzero_si128();
    unsigned buffer_bytes = 0;

    bool any() const {
      const __m128i compared = _mm_set_epi64x(static_cast<int64_t>(kChecksums), -1);
      return _mm_testz_si128(fields, compared) == 0 || buffer_bytes != 0;
    }
  };
  [[gnu::always_inline]] void compare(const rte_mbuf& frame, Differences& differences) const {
    differences.fields = _mm_or_si128(differences.fields, _mm_xor_si128(fields_of(frame), fields_));
    differences.buffer_bytes |= frame.buf_len ^ unsigned { buffer_bytes_ };
  }

 private:
  static constexpr uint64_t kChecksums = RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK;
  static constexpr uint64_t kRight = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  static_assert(offsetof(rte_mbuf, ol_flags) - offsetof(rte_mbuf, rearm_data) == 8);

  /// data_off, refcnt, nb_segs, port, and ol_flags.
  static __m128i fields_of(const rte_mbuf& frame) { return load<__m128i>(&frame.rearm_data); }

  /// Whether it is one segment, of which nothing is known to be wrong, and has room: in front, to forward it,
  /// and behind, for a lane may read behind the frame, but not behind its buffer.
  bool may_be_plain(const rte_mbuf& frame, size_t lane) const {
    return frame.nb_segs == 1 && (checksums_ == 0 || checksums_ == kRight) &&
           frame.data_off >= kRoomInFront && ip_offset + lane <= buffer_bytes_;
  }

  __m128i fields_;
  uint16_t buffer_bytes_;
  uint64_t checksums_;

 public:
  size_t ip_offset;  ///< in the buffer
  bool may_be_v4, may_be_v6;
  uint32_t verified;  ///< all ones: the device has found the checksums right
};

PlainPackets::PlainPackets(std::span<rte_mbuf* const> frames, const PlainLink& link, const lb::FlowHash& hash)
    : PlainPackets(frames, link) {
  for (size_t first = 0; first < frames.size(); first += kLanes) fetch(first);
  for (size_t first = 0; first < frames.size(); first += kLanes) look_at(first, hash);
}

void PlainPackets::fetch(size_t first) {
  const size_t count = count_from(first);
  const Kind usual(*frames_[first], link_);
  std::fill_n(&rest_[first], kLanes, 0);
  std::fill_n(&verified_[first], kLanes, usual.verified);
  if (count != kLanes) [[unlikely]] {
    std::fill_n(&ip_[first], kLanes, nothing.data());
    std::fill_n(&frame_bytes_[first], kLanes, 0);
  }
  Kind::Differences differences;
  for (size_t i = first; i < first + count; ++i) {
    const rte_mbuf& frame = *frames_[i];
    usual.compare(frame, differences);
    ip_[i] = static_cast<uint8_t*>(frame.buf_addr) + usual.ip_offset;
    frame_bytes_[i] = frame.data_len;
    rte_prefetch0(ip_[i]);
  }
  const bool are_alike = !differences.any() && usual.may_be_v4;
  chances_[first / kLanes] = !are_alike ? Chance::kMixed : usual.may_be_v6 ? Chance::kEither : Chance::kV4;
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

/// Finds the packets of up to eight frames, which are nearly always alike, and of one family.
[[gnu::always_inline]] inline void PlainPackets::find_eight(size_t first, size_t count) {
  uint8_t* const* const ip = &ip_[first];
  const Chance chance = chances_[first / kLanes];
  if (chance == Chance::kMixed) [[unlikely]]
    return find_each(first, count);
  if (count == kLanes ? link_.matches<true>(ip, kLanes) : link_.matches<true>(ip, count)) [[likely]]
    return;
  if (chance == Chance::kEither && link_.matches<false>(ip, count)) {
    v6_ |= ((uint64_t{1} << count) - 1) << first;
    return;
  }
  find_each(first, count);
}

/// Notes of eight packets how large they are, and what no lane of theirs reads. Which end within their
/// frames.
template <uint32_t kLane>
[[gnu::always_inline]] inline Verdicts PlainPackets::note_sizes(size_t first, Lanes total) {
  store(&ip_bytes_[first], total);
  const Lanes frame_bytes = load<Lanes>(&frame_bytes_[first]) - static_cast<uint32_t>(link_.bytes());
  const Verdicts in_frame = ~are_less(frame_bytes, total);
  padded_ |= uint64_t{bits_of(frame_bytes != total)} << first;
  const Verdicts longer = are_less(lanes_of<kLane>, total) & in_frame & ~load<Verdicts>(&verified_[first]);
  for (uint32_t left = bits_of(longer); left != 0; left &= left - 1) {
    sum_rest(first + static_cast<size_t>(std::countr_zero(left)), kLane);
  }
  return in_frame;
}

/// Sums what no lane reads of packet i, which has more than that and is whole.
[[gnu::noinline]] void PlainPackets::sum_rest(size_t i, size_t lane) {
  rest_[i] = checksum_fold(checksum_add(ip_[i] + lane, ip_bytes_[i] - lane));
}

void PlainPackets::look_at(size_t first, const lb::FlowHash& hash) {
  const size_t count = count_from(first);
  find_eight(first, count);
  const auto v6 = static_cast<uint32_t>(v6_ >> first & 0xff);
  if (v6 == 0) [[likely]] {
    plain_ |= uint64_t{look_at_v4(ip_.data() + first, first, hash, hashes_from(first))} << first;
  } else if (v6 == (1u << count) - 1) {
    plain_ |= uint64_t{look_at_v6(ip_.data() + first, first, hash, hashes_from(first))} << first;
  } else {
    look_at_mixed(first, v6, hash);
  }
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
  const Verdicts version_4_and_whole =
      (((word0 ^ lanes_of<0x45>)&lanes_of<0xff>) | (word1 & lanes_of<kNoFragment>)) == 0;
  const Verdicts in_frame = note_sizes<lane_bytes(true)>(first, total);
  const Verdicts lives = are_less(lanes_of<1>, byte_of<0>(word2));
  const Verdicts tcp = are_tcp(protocol, word8, l4_bytes), udp = are_udp(protocol, word6, l4_bytes);

  HalvesSum addresses;
  addresses.add(source, destination);
  HalvesSum header = addresses, segment = addresses;
  header.add(word0, word1, word2);
  const Lanes ends = ends_of(total);
  segment.add(ports, word6, cut<28>(word7, ends), cut<32>(word8, ends), cut<36>(word9, ends),
              cut<40>(word10, ends), cut<44>(word11, ends));
  // The rest of the pseudo-header, and what the lane has not read.
  const Lanes more = (protocol << 8) + field_of<0>(l4_bytes) + load<Lanes>(rest_.data() + first);
  const auto verified = load<Verdicts>(verified_.data() + first);
  const Verdicts unsummed = udp & (word6 >> 16 == 0);  // RFC 768: none was made
  const Verdicts right = verified | (are_right(header.sum()) & (unsummed | are_right(segment.sum() + more)));

  return bits_of(version_4_and_whole & in_frame & lives & (tcp | udp) & right);
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
  const Verdicts in_frame = note_sizes<lane_bytes(false)>(first, total);
  const Verdicts lives = are_less(lanes_of<1>, byte_of<3>(word1));
  const Verdicts tcp = are_tcp(protocol, word13, l4_bytes), udp = are_udp(protocol, word11, l4_bytes);

  HalvesSum segment;
  for (size_t i = 0; i < 4; ++i) segment.add(source[i], destination[i]);
  const Lanes ends = ends_of(total);
  segment.add(ports, word11, cut<48>(word12, ends), cut<52>(word13, ends), cut<56>(word14, ends),
              cut<60>(word15, ends));
  const Lanes more = (protocol << 8) + field_of<0>(l4_bytes) + load<Lanes>(rest_.data() + first);
  const auto verified = load<Verdicts>(verified_.data() + first);
  const Verdicts unsummed = udp & (word11 >> 16 == 0);  // RFC 8200, 8.1: there must be one
  const Verdicts right = verified | are_right(segment.sum() + more);

  const Verdicts extended = (protocol == static_cast<uint8_t>(IpProtocol::kHopByHop)) |
                            (protocol == lanes_of<static_cast<uint32_t>(IpProtocol::kRouting)>) |
                            (protocol == lanes_of<static_cast<uint32_t>(IpProtocol::kDestinationOptions)>);
  hidden_ |= uint64_t{bits_of(version_6 & extended)} << first;
  return bits_of(version_6 & in_frame & lives & (tcp | udp) & right & ~unsummed & ~are_mapped(source) &
                 ~are_mapped(destination));
}

}  // namespace sluice::dataplane
