// Neighbor solicitations and advertisements of IPv6 over Ethernet (RFC 4861, RFC 2464). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "common/address.h"
#include "common/headers.h"

namespace sluice::dataplane {

struct NdpMessage {
  bool is_advertisement = false;  ///< else a solicitation
  bool solicited = false;         ///< of an advertisement: answers a solicitation
  bool overrides = false;         ///< of an advertisement: replaces what is cached
  IpAddress source;               ///< `::` in a solicitation that detects duplicates
  IpAddress destination;
  IpAddress target;
  std::optional<MacAddress> link_address;  ///< source (solicitation) or target (advertisement) option
};

/// IPv6 header, message and one link-layer address option.
inline constexpr unsigned kMaxNdpBytes = 40 + 24 + 8;

/// Reads an IPv6 packet whose ICMPv6 header is at `icmp_offset`; the checksum has been verified. Nothing,
/// where RFC 4861 7.1.1 or 7.1.2 says to discard it silently: a hop limit other than 255 among others.
std::optional<NdpMessage> parse_ndp(std::span<const uint8_t> packet, size_t icmp_offset);
/// Writes an IPv6 packet of at most kMaxNdpBytes, checksum included; returns its length.
unsigned write_ndp(const NdpMessage& message, uint8_t* at);

/// The solicited-node multicast address of `target` (RFC 4291, 2.7.1).
IpAddress solicited_node_address(const IpAddress& target);
/// ff02::1.
IpAddress all_nodes_address();
/// The MAC address that an IPv6 multicast address is sent to (RFC 2464, 7).
MacAddress multicast_mac(const IpAddress& group);

}  // namespace sluice::dataplane
