// What tunnels to backends begin with. Plain values.
#pragma once

#include <cstdint>

#include "common/address.h"

namespace sluice::dataplane {

/// Outer headers of ipip and gue. A family that is not configured cannot be encapsulated into: compile
/// refuses services that would need it.
struct Encapsulation {
  IpAddress source;   ///< outer IPv4 source
  IpAddress source6;  ///< outer IPv6 source
  uint16_t gue_port = 6080;
  bool operator==(const Encapsulation&) const = default;
};

}  // namespace sluice::dataplane
