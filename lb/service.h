// A service (VIP, port, protocol) as the balancing stages see it. Built by the control thread, const
// once published.
#pragma once

#include <cstdint>

#include "common/address.h"
#include "common/headers.h"

namespace sluice::lb {

class PoolTable;

enum class Policy : uint8_t {
  kMaglev,
  kSourceHash,
  kWeightedRoundRobin,
  kRandom,
  kTwoChoices,
  kLeastConnections
};
/// Whether a policy walks or draws from PoolTable::schedule().
constexpr bool uses_schedule(Policy policy) {
  return policy == Policy::kWeightedRoundRobin || policy == Policy::kRandom || policy == Policy::kTwoChoices;
}
enum class ForwardMode : uint8_t { kFullNat, kDnat, kIpip, kGue, kDirect };

constexpr bool is_nat(ForwardMode mode) {
  return mode == ForwardMode::kFullNat || mode == ForwardMode::kDnat;
}

/// Index into View::services. As with BackendId, an id is reused only once no flow refers to it; a
/// service whose name, address, port, protocol, pool or forwarding mode changes gets a new one.
using ServiceId = uint32_t;
inline constexpr ServiceId kNoService = UINT32_MAX;

/// Published, indexed by ServiceId.
struct Service {
  /// Owned by the Tables that hold this; null: not configured any more, and the rest tells what it was.
  const PoolTable* pool = nullptr;
  Policy policy = Policy::kMaglev;
  ForwardMode forward = ForwardMode::kDirect;
  IpProtocol protocol{};
  uint32_t idle_timeout_ms = 0;  ///< of an established flow, by the service's protocol

  bool is_nat() const { return lb::is_nat(forward); }
};

/// What a service listens on: the input of ServiceTable.
struct ServiceMatch {
  Prefix address;
  uint16_t first_port = 0;  ///< host order; 0..65535 is any
  uint16_t last_port = 0;
  IpProtocol protocol{};
  ServiceId service = kNoService;
};

}  // namespace sluice::lb
