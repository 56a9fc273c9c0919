#include "dataplane/packet/plain_packets.h"

#include <rte_prefetch.h>

#include <algorithm>
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
  const Lanes header_bytes = fourth >> 2 & 0x3c;
  return (protocol == kTcp) & ((fourth & kTurning) == 0) &
         ~are_less(header_bytes, Lanes{} + sizeof(TcpHeader)) & ~are_less(l4_bytes, header_bytes);
}
/// The same for UDP and its second word.
[[gnu::always_inline]] inline Verdicts are_udp(Lanes protocol, Lanes second, Lanes l4_bytes) {
  return (protocol == kUdp) & (field_of<0>(second) == l4_bytes) &
         are_less(Lanes{} + sizeof(UdpHeader) - 1, l4_bytes);
}

/// Whether IPv6 addresses are IPv4-mapped.
[[gnu::always_inline]] inline Verdicts are_mapped(const std::array<Lanes, 4>& address) {
  return (address[0] | address[1] | (address[2] ^ IpAddress::kMappedMark)) == 0;
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
      : fields_(load<uint64_t>(&frame.rearm_data)),
        checksums_(frame.ol_flags & kChecksums),
        buffer_bytes_(frame.buf_len),
        ip_offset(frame.data_off + link.bytes()),
        may_be_v4(may_be_plain(lane_bytes(true))),
        may_be_v6(may_be_plain(lane_bytes(false))),
        verified(checksums_ == kRight ? UINT32_MAX : 0) {}

  bool is_of(const rte_mbuf& frame) const {
    return load<uint64_t>(&frame.rearm_data) == fields_ && (frame.ol_flags & kChecksums) == checksums_ &&
           frame.buf_len == buffer_bytes_;
  }

 private:
  static constexpr uint64_t kChecksums = RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK;
  static constexpr uint64_t kRight = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  static_assert(offsetof(rte_mbuf, nb_segs) - offsetof(rte_mbuf, rearm_data) == 4);

  /// Whether it is one segment, of which nothing is known to be wrong, and has room: in front, to forward it,
  /// and behind, for a lane may read behind the frame, but not behind its buffer.
  bool may_be_plain(size_t lane) const {
    const auto data_offset = static_cast<uint16_t>(fields_), segments = static_cast<uint16_t>(fields_ >> 32);
    return segments == 1 && (checksums_ == 0 || checksums_ == kRight) && data_offset >= kRoomInFront &&
           ip_offset + lane <= buffer_bytes_;
  }

  uint64_t fields_;  ///< data_off, refcnt, nb_segs, port
  uint64_t checksums_;
  uint16_t buffer_bytes_;

 public:
  size_t ip_offset;  ///< in the buffer
  bool may_be_v4, may_be_v6;
  uint32_t verified;  ///< all ones: the device has found the checksums right
};

PlainPackets::PlainPackets(std::span<rte_mbuf* const> frames, const PlainLink& link,
                           const lb::FlowHash& hash) {
  const size_t lanes = (frames.size() + kLanes - 1) / kLanes * kLanes;
  const Kind usual(*frames.front(), link);
  std::fill_n(ip_.begin(), lanes, nothing.data());
  std::fill_n(rest_.begin(), lanes, 0);
  std::fill_n(verified_.begin(), lanes, usual.verified);
  for (const rte_mbuf* frame : frames) rte_prefetch0(rte_pktmbuf_mtod(frame, const void*));
  for (size_t i = 0; i < frames.size(); ++i) {
    usual.is_of(*frames[i]) ? find(*frames[i], i, usual, link) : find_unusual(*frames[i], i, link);
  }
  if (v6_ == 0) [[likely]] {
    for (size_t first = 0; first < frames.size(); first += kLanes) {
      plain_ |= look_at_v4(ip_.data() + first, first, hash, hashes_from(first)) << first;
    }
  } else {
    look_at_both(frames.size(), hash);
  }
}

/// Finds the packet of frame i, which is of that kind, and what its lane cannot know.
[[gnu::always_inline]] inline void PlainPackets::find(const rte_mbuf& frame, size_t i, const Kind& kind,
                                                      const PlainLink& link) {
  uint8_t* const ip = static_cast<uint8_t*>(frame.buf_addr) + kind.ip_offset;
  const uint8_t* const data = ip - link.bytes();
  const uint8_t* const end = data + frame.data_len;
  if (kind.may_be_v4 && link.matches<true>(data)) {
    find_as<true>(ip, i, end, kind.verified);
  } else if (kind.may_be_v6 && link.matches<false>(data)) {
    find_as<false>(ip, i, end, kind.verified);
  }
}

[[gnu::noinline]] void PlainPackets::find_unusual(const rte_mbuf& frame, size_t i, const PlainLink& link) {
  const Kind kind(frame, link);
  verified_[i] = kind.verified;
  find(frame, i, kind, link);
}

/// Finds the packet at `ip`, of that family, in frame i, which ends at `end`.
template <bool is_v4>
[[gnu::always_inline]] inline void PlainPackets::find_as(uint8_t* ip, size_t i, const uint8_t* end,
                                                         uint32_t verified) {
  const size_t total =
      is_v4 ? byte_swap(load<uint16_t>(ip + offsetof(Ipv4Header, total_length)))
            : sizeof(Ipv6Header) + byte_swap(load<uint16_t>(ip + offsetof(Ipv6Header, payload_length)));
  if (ip + total > end) return;
  ip_[i] = ip;
  if (!is_v4) v6_ |= uint32_t{1} << i;
  if (total > lane_bytes(is_v4) && verified == 0) {
    rest_[i] = checksum_fold(checksum_add(ip + lane_bytes(is_v4), total - lane_bytes(is_v4)));
  }
}

/// Finds the plain ones where some are IPv6. Eight of one family, as nearly always, are looked at once.
[[gnu::noinline]] void PlainPackets::look_at_both(size_t frames, const lb::FlowHash& hash) {
  for (size_t first = 0; first < frames; first += kLanes) {
    const uint32_t v6 = v6_ >> first & 0xff;
    const uint32_t all = frames - first >= kLanes ? 0xff : (1u << (frames - first)) - 1;
    if (v6 == all) {
      plain_ |= look_at_v6(ip_.data() + first, first, hash, hashes_from(first)) << first;
    } else {
      look_at_mixed(first, v6, hash);
    }
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
  plain_ |= look_at_v4(of_v4.data(), first, hash, hashes_from(first)) << first;
  std::array<uint64_t, kLanes> v6_hashes;
  plain_ |= look_at_v6(of_v6.data(), first, hash, v6_hashes) << first;
  for (size_t i = 0; i < kLanes; ++i) {
    if ((v6 >> i & 1) != 0) hashes_[first + i] = v6_hashes[i];
  }
}

/// Bit i: the packet at ip[i], which is number `first` + i, is a plain one over IPv4.
[[gnu::always_inline]] inline uint32_t PlainPackets::look_at_v4(uint8_t* const* ip, size_t first,
                                                                const lb::FlowHash& hash,
                                                                EightHashes hashes) const {
  constexpr uint32_t kNoFragment = 0xff3f'0000;  // of the second word: its place and "more"; not "don't"
  const auto [word0, word1, word2, source] = load_four(ip, 0);
  const auto [destination, ports, word6, word7] = load_four(ip, 16);
  const auto [word8, word9, word10, word11] = load_four(ip, 32);
  const Lanes protocol = byte_of<1>(word2);
  hash.hash_eight(reinterpret_cast<__m256i>(source), reinterpret_cast<__m256i>(destination),
                  reinterpret_cast<__m256i>(ports), reinterpret_cast<__m256i>(protocol), hashes);

  const Lanes total = field_of<2>(word0), l4_bytes = total - sizeof(Ipv4Header);
  const Verdicts version_4_and_whole = (((word0 ^ 0x45) & 0xff) | (word1 & kNoFragment)) == 0;
  const Verdicts lives = are_less(Lanes{} + 1, byte_of<0>(word2));
  const Verdicts tcp = are_tcp(protocol, word8, l4_bytes), udp = are_udp(protocol, word6, l4_bytes);

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

  return bits_of(version_4_and_whole & lives & (tcp | udp) & right);
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

  const Lanes l4_bytes = field_of<0>(word1), total = l4_bytes + sizeof(Ipv6Header);
  const Verdicts version_6 = (word0 & 0xf0) == 0x60;
  const Verdicts lives = are_less(Lanes{} + 1, byte_of<3>(word1));
  const Verdicts tcp = are_tcp(protocol, word13, l4_bytes), udp = are_udp(protocol, word11, l4_bytes);

  Lanes pseudo_header = (protocol << 8) + field_of<0>(l4_bytes);
  for (size_t i = 0; i < 4; ++i) pseudo_header += halves(source[i]) + halves(destination[i]);
  const Lanes segment = halves(ports) + halves(word11) + halves(cut(word12, 48, total)) +
                        halves(cut(word13, 52, total)) + halves(cut(word14, 56, total)) +
                        halves(cut(word15, 60, total)) + load<Lanes>(rest_.data() + first);
  const auto verified = load<Verdicts>(verified_.data() + first);
  const Verdicts unsummed = udp & (word11 >> 16 == 0);  // RFC 8200, 8.1: there must be one
  const Verdicts right = verified | are_right(pseudo_header + segment);

  const Verdicts extended = (protocol == static_cast<uint8_t>(IpProtocol::kHopByHop)) |
                            (protocol == static_cast<uint8_t>(IpProtocol::kRouting)) |
                            (protocol == static_cast<uint8_t>(IpProtocol::kDestinationOptions));
  hidden_ |= bits_of(version_6 & extended) << first;
  return bits_of(version_6 & lives & (tcp | udp) & right & ~unsummed & ~are_mapped(source) &
                 ~are_mapped(destination));
}

}  // namespace sluice::dataplane
