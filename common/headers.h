// The packet headers as they lie on the wire, and their constants. No DPDK type appears here, so that
// pure code and tests share them; every type here has alignment 1. Any thread; views over bytes that
// somebody else owns.
#pragma once

#include <array>
#include <cstdint>

#include "common/address.h"
#include "common/bytes.h"

namespace sluice {

enum class IpProtocol : uint8_t {
  kHopByHop = 0,
  kIcmp = 1,
  kIpip = 4,
  kTcp = 6,
  kUdp = 17,
  kIpv6 = 41,
  kRouting = 43,
  kFragment = 44,
  kEsp = 50,
  kIcmpv6 = 58,
  kNoNext = 59,
  kDestinationOptions = 60,
};

namespace ether_type {
inline constexpr uint16_t kIpv4 = 0x0800;
inline constexpr uint16_t kArp = 0x0806;
inline constexpr uint16_t kVlan = 0x8100;
inline constexpr uint16_t kQinq = 0x88a8;
inline constexpr uint16_t kIpv6 = 0x86dd;
}  // namespace ether_type

struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  Be16 type;
};
static_assert(sizeof(EthernetHeader) == 14);

/// The four bytes between the MAC addresses' type field and the next: IEEE 802.1Q.
struct VlanHeader {
  Be16 tci;   ///< priority 3 | DEI 1 | VLAN id 12
  Be16 type;  ///< of what follows
  uint16_t id() const { return tci.host() & 0x0fff; }
};
static_assert(sizeof(VlanHeader) == 4);

struct Ipv4Header {  // RFC 791
  uint8_t version_ihl;
  uint8_t tos;  ///< DSCP 6 | ECN 2
  Be16 total_length;
  Be16 id;
  Be16 fragment;  ///< flags 3 | offset 13, in units of 8 bytes
  uint8_t ttl;
  IpProtocol protocol;
  Be16 checksum;
  Be32 source;
  Be32 destination;

  static constexpr uint16_t kDontFragment = 0x4000;
  static constexpr uint16_t kMoreFragments = 0x2000;
  static constexpr uint16_t kOffsetMask = 0x1fff;
  unsigned header_bytes() const { return (version_ihl & 0x0fu) * 4u; }
  bool is_fragment() const { return (fragment.host() & (kMoreFragments | kOffsetMask)) != 0; }
  bool dont_fragment() const { return (fragment.host() & kDontFragment) != 0; }
};
static_assert(sizeof(Ipv4Header) == 20);

struct Ipv6Header {         // RFC 8200
  Be32 version_class_flow;  ///< version 4 | traffic class 8 | flow label 20
  Be16 payload_length;
  IpProtocol next_header;
  uint8_t hop_limit;
  std::array<uint8_t, 16> source;
  std::array<uint8_t, 16> destination;

  uint8_t traffic_class() const { return static_cast<uint8_t>(version_class_flow.host() >> 20); }
};
static_assert(sizeof(Ipv6Header) == 40);

struct TcpHeader {  // RFC 9293
  Be16 source_port;
  Be16 destination_port;
  Be32 sequence;
  Be32 acknowledgment;
  uint8_t data_offset;  ///< words 4 | reserved 4
  uint8_t flags;
  Be16 window;
  Be16 checksum;
  Be16 urgent;

  static constexpr uint8_t kFin = 0x01;
  static constexpr uint8_t kSyn = 0x02;
  static constexpr uint8_t kRst = 0x04;
  static constexpr uint8_t kAck = 0x10;
  static constexpr uint8_t kUrgent = 0x20;
  /// The flags that begin, end or reset a connection.
  static constexpr uint8_t kTurning = kSyn | kFin | kRst;
};
static_assert(sizeof(TcpHeader) == 20);

struct UdpHeader {  // RFC 768
  Be16 source_port;
  Be16 destination_port;
  Be16 length;  ///< header and payload
  Be16 checksum;

  static constexpr uint16_t kEspPort = 4500;  ///< of ESP in UDP, RFC 3948
};
static_assert(sizeof(UdpHeader) == 8);

struct IcmpHeader {  // RFC 792 and RFC 4443: the first eight bytes of either
  uint8_t type;
  uint8_t code;
  Be16 checksum;
  Be32 rest;  ///< identifier and sequence, or unused and MTU
};
static_assert(sizeof(IcmpHeader) == 8);

struct ArpHeader {  // RFC 826, for Ethernet and IPv4
  Be16 hardware_type;
  Be16 protocol_type;
  uint8_t hardware_length;
  uint8_t protocol_length;
  Be16 operation;  ///< 1 request, 2 reply
  MacAddress sender_mac;
  Be32 sender_address;
  MacAddress target_mac;
  Be32 target_address;
};
static_assert(sizeof(ArpHeader) == 28);

}  // namespace sluice
