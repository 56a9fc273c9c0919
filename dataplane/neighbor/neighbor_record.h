// What is known of a neighbor. Plain values.
#pragma once

#include <cstdint>

#include "common/address.h"

namespace sluice::dataplane {

enum class NeighborState : uint8_t { kFree, kIncomplete, kReachable, kStale, kStatic };

struct NeighborRecord {
  uint16_t port;
  IpAddress address;
  MacAddress mac;
  NeighborState state;

  bool has_mac() const { return state >= NeighborState::kReachable; }
};

}  // namespace sluice::dataplane
