// A service that a source brings (`services_from`): values that any thread may own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/address.h"

namespace sluice::ctrl {

/// TCP flows to one address and port, and the clusters of the source that they are shared out among.
struct OfferedService {
  struct Target {
    std::string cluster;
    uint32_t weight = 1;  ///< 0 to 65535; 0 takes no new flows
    bool operator==(const Target&) const = default;
  };
  std::string name;
  IpAddress address;
  uint16_t port = 0;            ///< in host order
  std::vector<Target> targets;  ///< one at least, no cluster twice, some weight above 0
  bool operator==(const OfferedService&) const = default;
};

/// In order of name, none twice.
using OfferedServices = std::vector<OfferedService>;

/// A source brings at most so many; one that sees more calls lost().
inline constexpr size_t kMostOfferedServices = 10'000;

}  // namespace sluice::ctrl
