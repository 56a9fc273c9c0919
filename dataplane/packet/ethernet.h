// The Ethernet header of a frame that leaves by a port, with the port's VLAN tags. Pure.
#pragma once

#include "common/headers.h"
#include "dataplane/tables/tables.h"

namespace sluice::dataplane {

inline constexpr MacAddress kBroadcastMac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/// How many bytes write_ethernet() writes for that port.
inline unsigned ethernet_bytes(const PortView& port) {
  return static_cast<unsigned>(sizeof(EthernetHeader) + port.vlan_tags * sizeof(VlanHeader));
}

/// Writes the MAC addresses, the port's VLAN tags (802.1Q; the outer of two is 802.1ad's) and the type of
/// what follows.
inline void write_ethernet(uint8_t* at, const PortView& port, const MacAddress& destination, uint16_t type) {
  uint16_t first_type = type;
  if (port.vlan_tags == 1) first_type = ether_type::kVlan;
  if (port.vlan_tags == 2) first_type = ether_type::kQinq;
  // Field by field: a header put together in memory would be loaded before its stores are done.
  store(at, destination);
  store(at + offsetof(EthernetHeader, source), port.mac);
  store(at + offsetof(EthernetHeader, type), Be16::from_host(first_type));
  at += sizeof(EthernetHeader);
  for (unsigned i = 0; i < port.vlan_tags; ++i) {
    const uint16_t next_type = i + 1u < port.vlan_tags ? ether_type::kVlan : type;
    store(at, VlanHeader{Be16::from_host(port.vlan_ids[i]), Be16::from_host(next_type)});
    at += sizeof(VlanHeader);
  }
}

}  // namespace sluice::dataplane
