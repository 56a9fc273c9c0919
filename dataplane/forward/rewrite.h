// What forwarding does to a packet. A PathRewrite says what is the same for all flows of a service to a
// backend; it is made by the only switch over ForwardMode. A Rewrite says what differs from flow to flow.
// Both are applied by the long way, by the short way of parsed packets and by that of plain ones alike, in
// stages/treat.h. Pure functions on bytes; any thread.
//
// A mode is one file of this folder and one case of the switch. Checksums are updated, not made anew
// (RFC 1624): a packet damaged inside the gateway stays damaged.
#pragma once

#include "common/checksum.h"
#include "common/flow_key.h"
#include "dataplane/base/drop_reason.h"
#include "dataplane/forward/direct.h"
#include "dataplane/forward/dnat.h"
#include "dataplane/forward/full_nat.h"
#include "dataplane/forward/gue.h"
#include "dataplane/forward/ipip.h"
#include "dataplane/forward/readdress.h"
#include "lb/service.h"

namespace sluice::dataplane {

inline PathRewrite path_rewrite(lb::ForwardMode mode, const PathEnds& ends) {
  switch (mode) {
    case lb::ForwardMode::kFullNat:
      return full_nat(ends);
    case lb::ForwardMode::kDnat:
      return dnat(ends);
    case lb::ForwardMode::kIpip:
      return ipip(ends);
    case lb::ForwardMode::kGue:
      return gue(ends);
    case lb::ForwardMode::kDirect:
      return direct(ends);
  }
  __builtin_unreachable();
}

/// The addresses and ports that a packet shall have. The addresses are somebody else's, so that nothing is
/// copied for a packet.
struct NatTarget {
  const IpAddress* source;
  const IpAddress* destination;
  Be16 source_port;
  Be16 destination_port;
  IpProtocol protocol;

  static NatTarget of(const FlowKey& key) {
    return {&key.source, &key.destination, key.source_port, key.destination_port, key.protocol};
  }
  /// Of what is sent in answer to packets with the key `request`.
  static NatTarget of_answers_to(const FlowKey& request) {
    return {&request.destination, &request.source, request.destination_port, request.source_port,
            request.protocol};
  }
  FlowKey key() const { return {*source, *destination, source_port, destination_port, protocol, {}}; }
};

/// Both addresses as they lie in a header, source first.
template <bool is_v4>
struct HeaderAddresses;
template <>
struct HeaderAddresses<true> {
  static constexpr size_t kOffset = offsetof(Ipv4Header, source);
  uint64_t both;

  static HeaderAddresses of(const IpAddress& source, const IpAddress& destination) {
    return {uint64_t{destination.as_v4().network()} << 32 | source.as_v4().network()};
  }
  void note_change(const HeaderAddresses& before, ChecksumDelta& change) const {
    change.replace(Be32::from_network(static_cast<uint32_t>(before.both)),
                   Be32::from_network(static_cast<uint32_t>(both)));
    change.replace(Be32::from_network(static_cast<uint32_t>(before.both >> 32)),
                   Be32::from_network(static_cast<uint32_t>(both >> 32)));
  }
};
template <>
struct HeaderAddresses<false> {
  static constexpr size_t kOffset = offsetof(Ipv6Header, source);
  __m256i both;

  static HeaderAddresses of(const IpAddress& source, const IpAddress& destination) {
    return {_mm256_set_m128i(load<__m128i>(&destination), load<__m128i>(&source))};
  }
  void note_change(const HeaderAddresses& before, ChecksumDelta& change) const {
    change.replace_32_bytes(before.both, both);
  }
};

/// What translation does to the packets of one flow that go one way: their new ends, and what these change in
/// the sums over addresses and ports. All of it values, so that a flow's entry may hold them.
template <bool is_v4>
struct Rewrite {
  HeaderAddresses<is_v4> addresses;
  uint32_t ports;  ///< both, as they lie in the header
  bool is_udp;
  ChecksumDelta addresses_change{};
  ChecksumDelta ports_change{};

  /// For the flow whose packet is at `ip`, with its TCP or UDP header at `l4`: gives it the ends `to`, which
  /// are of its own family and protocol.
  [[gnu::always_inline]] static Rewrite make(const uint8_t* ip, const uint8_t* l4, const NatTarget& to) {
    using Addresses = HeaderAddresses<is_v4>;
    Rewrite rewrite{.addresses = Addresses::of(*to.source, *to.destination),
                    .ports = to.source_port.network() | uint32_t{to.destination_port.network()} << 16,
                    .is_udp = to.protocol == IpProtocol::kUdp};
    rewrite.addresses.note_change(load<Addresses>(ip + Addresses::kOffset), rewrite.addresses_change);
    rewrite.ports_change.replace(Be32::from_network(load<uint32_t>(l4)), Be32::from_network(rewrite.ports));
    return rewrite;
  }

  /// Gives the packet at `ip` its new ends, and takes one of its hops, of which it has more. A UDP checksum
  /// of 0 over IPv4 stays 0; over IPv6 there always is one (RFC 8200, 8.1).
  [[gnu::always_inline]] void apply(uint8_t* ip, uint8_t* l4) const {
    apply_to_header(ip);
    store(l4, ports);
    ChecksumDelta change = addresses_change;
    change.add(ports_change);
    if (!is_udp) {
      uint8_t* const at = l4 + offsetof(TcpHeader, checksum);
      store(at, change.apply(load<Be16>(at)));
    } else {
      uint8_t* const at = l4 + offsetof(UdpHeader, checksum);
      const auto before = load<Be16>(at);
      if (before.network() != 0) store(at, never_zero(change.apply(before)));
    }
  }

 private:
  /// The IPv4 header has no options. Fields that lie side by side are read and written together.
  [[gnu::always_inline]] void apply_to_header(uint8_t* ip) const {
    store(ip + HeaderAddresses<is_v4>::kOffset, addresses);
    if constexpr (is_v4) {
      // TTL, protocol and checksum: the TTL is the lowest byte.
      uint8_t* const at = ip + offsetof(Ipv4Header, ttl);
      const auto word = load<uint32_t>(at);
      ChecksumDelta change = addresses_change;
      change.replace(Be16::from_network(1), Be16());
      const Be16 checksum = change.apply(Be16::from_network(static_cast<uint16_t>(word >> 16)));
      store(at, ((word - 1) & 0xffff) | uint32_t{checksum.network()} << 16);
    } else {
      --ip[offsetof(Ipv6Header, hop_limit)];
    }
  }
};

/// How often a packet may still be passed on.
inline uint8_t hops_left(const uint8_t* ip, bool is_v4) {
  return ip[is_v4 ? offsetof(Ipv4Header, ttl) : offsetof(Ipv6Header, hop_limit)];
}

/// Whether a packet's life ends here. Translation takes a hop. What is left as it is keeps its hops, but none
/// with 0 may be sent at all (RFC 1812 5.3.1, RFC 8200 3).
inline bool ends_here(Treatment treatment, const uint8_t* ip, bool is_v4) {
  return hops_left(ip, is_v4) <= (treatment == Treatment::kTranslate ? 1 : 0);
}

}  // namespace sluice::dataplane
