// treat.h for eight packets at a time. Called by the worker that owns their flows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/forward/client_ways.h"
#include "dataplane/forward/eight_flows.h"
#include "dataplane/forward/encapsulate_eight.h"
#include "dataplane/stages/burst_flows.h"
#include "dataplane/stages/forward_known.h"
#include "dataplane/stages/treat.h"

namespace sluice::dataplane {

/// Makes link headers of that size, `added` bytes of other headers and eight packets, as they came in, all of
/// their mbufs' data.
[[gnu::always_inline]] inline void set_eight(const BurstFlows& burst, size_t first, size_t link_bytes,
                                             size_t added) {
  const auto in_front = static_cast<uint32_t>(link_bytes + added);
  const auto before = static_cast<uint16_t>(in_front - burst.packets.link_bytes());
  const Lanes bytes = load<Lanes>(burst.packets.all_ip_bytes(first)) + in_front;
  const EightPairs sizes(bytes, bytes);
#pragma GCC unroll 8
  for (size_t i = 0; i < kEight; ++i) {
    rte_mbuf* const frame = burst.frames[first + i];
    frame->data_off = static_cast<uint16_t>(frame->data_off - before);
    store(reinterpret_cast<uint8_t*>(frame) + offsetof(rte_mbuf, pkt_len), sizes[i]);
  }
}
// With both sizes a VLAN tag is written that nobody reads.
static_assert(offsetof(rte_mbuf, data_len) == offsetof(rte_mbuf, pkt_len) + 4 &&
              offsetof(rte_mbuf, vlan_tci) == offsetof(rte_mbuf, pkt_len) + 6);

/// The outer source ports that GUE gives to packets of eight flows, as they lie in the header.
[[gnu::always_inline]] inline Lanes gue_ports(const Worker& worker, EightFlows flows) {
  const auto known = [&] { return load_four(flows, offsetof(lb::FlowEntry, peer))[1] & lanes_of<0xffff>; };
  const Lanes ports = known();
  if (bits_of(ports == 0) == 0) [[likely]]
    return ports;
  for (size_t i = 0; i < kEight; ++i) gue_port(worker, *flows[i]);
  return known();
}
static_assert(offsetof(lb::FlowEntry, translated_port) == offsetof(lb::FlowEntry, peer) + 4);

constexpr bool is_behind(Treatment treatment) {
  return treatment != Treatment::kTranslate && treatment != Treatment::kKeep;
}

/// Whether one of eight packets over IPv4 is a UDP datagram without a checksum (RFC 768).
inline bool any_unsummed(const PlainPackets& packets, size_t first) {
  return bits_of(packets.layer_4_words(first) >> 16 == 0) & packets.of_udp(first);
}

/// Puts eight packets behind outer headers, and writes the link headers in front of them.
template <bool is_v4, Treatment treatment>
[[gnu::always_inline]] inline void put_behind(const Worker& worker, const BurstFlows& burst, size_t first,
                                              const EightPlaces& path) {
  constexpr bool kOuterV4 = treatment == Treatment::kBehindIpv4 || treatment == Treatment::kBehindIpv4Udp;
  constexpr bool kHasUdp = treatment == Treatment::kBehindIpv4Udp || treatment == Treatment::kBehindIpv6Udp;
  constexpr size_t kAdded = kOuterBytes<kOuterV4, kHasUdp>;
  const PlainPackets& packets = burst.packets;
  const size_t link_bytes = path[0]->rewrite.link.bytes;
  write_links<kAdded>(packets.ips(first), link_bytes,
                      [&](size_t i) -> const LinkHeader& { return path[i]->rewrite.link; });
  Lanes ports{};
  if constexpr (kHasUdp) ports = gue_ports(worker, &burst.flows[first]);
  const EightInner inner{packets.ips(first), packets.first_words(first),
                         load<Lanes>(packets.all_ip_bytes(first)), packets.of_udp(first)};
  kOuterV4 ? put_behind_ipv4<is_v4, kHasUdp>(inner, path, ports)
           : put_behind_ipv6<is_v4, kHasUdp>(inner, path, ports);
  set_eight(burst, first, link_bytes, kAdded);
}

/// The same one by one, whatever the packets are.
template <bool is_v4>
[[gnu::noinline]] void put_each_behind(const Worker& worker, const BurstFlows& burst, size_t first,
                                       const EightPlaces& path) {
  for (size_t i = 0; i < kEight; ++i) {
    const PacketPlaces at = burst.places<is_v4>(first + i);
    const PathRewrite& rewrite = path[i]->rewrite;
    uint8_t* const ip =
        treat_as<is_v4, Treatment::kBehindIpv6>(worker, rewrite, burst.flows[first + i], nullptr, at);
    uint8_t* const frame = ip - rewrite.link.bytes;
    rewrite.link.write(frame);
    set_data(burst.frames[first + i], frame, at.ip + at.ip_bytes);
  }
}

/// Treats eight packets that may go by their paths, and counts them for their backends; or, where they are
/// answers, which have one way to clients. Returns how many bytes they were together, as frames.
template <bool is_v4, Treatment treatment, bool are_answers = false>
[[gnu::always_inline]] inline uint64_t treat_eight(Worker& worker, const BurstFlows& burst, size_t first,
                                                   const EightPlaces& path, const ClientWay* way = nullptr) {
  const PlainPackets& packets = burst.packets;
  const uint32_t* const frame_bytes = packets.all_frame_bytes(first);
  uint64_t bytes = 0;
#pragma GCC unroll 8
  for (size_t i = 0; i < kEight; ++i) {
    bytes += frame_bytes[i];
    if constexpr (!are_answers) path[i]->counters->count_packet(frame_bytes[i]);
  }
  if constexpr (is_behind(treatment)) {
    if (is_v4 && treatment == Treatment::kBehindIpv6Udp && any_unsummed(packets, first)) {
      put_each_behind<is_v4>(worker, burst, first, path);
    } else {
      put_behind<is_v4, treatment>(worker, burst, first, path);
    }
  } else {
    if constexpr (treatment == Treatment::kTranslate) {
      translate_eight<is_v4>(
          worker.balancer.flows(), packets.ips(first), &burst.flows[first],
          {packets.header_words(first), packets.layer_4_words(first), packets.of_udp(first)});
    }
    const auto link_of = [&](size_t i) -> const LinkHeader& {
      return are_answers ? way->link : path[i]->rewrite.link;
    };
    const size_t link_bytes = link_of(0).bytes;
    write_links<0>(packets.ips(first), link_bytes, link_of);
    if (link_bytes != burst.packets.link_bytes() || packets.are_padded(first))
      set_eight(burst, first, link_bytes, 0);
  }
  return bytes;
}

}  // namespace sluice::dataplane
