// A port as packets meet it. Plain values.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "common/address.h"

namespace sluice::dataplane {

inline constexpr unsigned kMaxPorts = 32;
inline constexpr unsigned kMaxVlanTags = 2;

/// Index = DataPlane's port number (the order of the configuration).
struct PortView {
  MacAddress mac;
  uint16_t mtu = 1500;                            ///< of IP, without any Ethernet or VLAN header
  std::array<uint16_t, kMaxVlanTags> vlan_ids{};  ///< outer first
  uint8_t vlan_tags = 0;                          ///< 0, 1 (802.1Q) or 2 (QinQ)
  bool kernel = false;                            ///< own addresses go to the kernel's tap device
  std::vector<Prefix> addresses;                  ///< with host bits, as configured
  IpAddress link_local;                           ///< fe80:: address made from the MAC (RFC 4291, appendix A)
};

}  // namespace sluice::dataplane
