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
  bytes_ = at + sizeof(Be16);
  want(at, Be16::from_host(ether_type::kIpv4), kWhole);
  wanted_v4_ = load<__m256i>(wanted.data());
  want(at, Be16::from_host(ether_type::kIpv6), kWhole);
  wanted_v6_ = load<__m256i>(wanted.data());
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
  if (v6_ == 0) [[likely]] {
    for (size_t first = 0; first < frames.size(); first += kLanes) {
      plain_ |= look_at_v4(ip_.data() + first, first, hash, hashes_from(first)) << first;
    }
  } else {
    look_at_both(frames.size(), hash);
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
  // A lane may read behind the frame, but not behind its buffer.
  const bool has_room = frame.data_off + link.bytes() + lane_bytes(true) <= frame.buf_len;
  if (!has_room || frame.nb_segs != 1 || (checksums != 0 && !verified)) return;
  if (link.matches<true>(data)) {
    find_as<true>(frame, i, link.bytes(), verified);
  } else if (link.matches<false>(data)) {
    find_as<false>(frame, i, link.bytes(), verified);
  }
}

template <bool is_v4>
[[gnu::always_inline]] inline void PlainPackets::find_as(const rte_mbuf& frame, size_t i, size_t link_bytes,
                                                         bool verified) {
  uint8_t* const ip = rte_pktmbuf_mtod_offset(&frame, uint8_t*, link_bytes);
  if (!is_v4 && frame.data_off + link_bytes + lane_bytes(is_v4) > frame.buf_len) return;
  const size_t total =
      is_v4 ? load<Be16>(ip + offsetof(Ipv4Header, total_length)).host()
            : sizeof(Ipv6Header) + load<Be16>(ip + offsetof(Ipv6Header, payload_length)).host();
  if (link_bytes + total > frame.data_len) return;
  ip_[i] = ip;
  if (!is_v4) v6_ |= uint32_t{1} << i;
  if (total > lane_bytes(is_v4) && !verified) {
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
