// By which services the checks of a pool go that are made `via: service`. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ctrl/intent/model.h"

namespace sluice::ctrl {

/// A service as a check goes through it.
struct ServicePath {
  std::string service;
  lb::ForwardMode mode{};
  IpAddress address;  ///< of a prefix, the first
  uint16_t port = 0;  ///< 0: the backend's own
};

/// A check goes through so many services of its pool at most, the first by name. One that passes passes
/// through all of them, so more would only take longer.
inline constexpr size_t kMostServicePaths = 16;

/// By name of pool, of those that want it; their strings are the Model's. A pool's paths are those of its
/// services that speak the check's protocol; where none does, those of all. Services of NAT modes count once
/// in all, for a check goes to the backend's own address there. No service, no entry.
using ServicePaths = std::unordered_map<std::string_view, std::vector<ServicePath>>;
ServicePaths service_paths(const Model& model);

}  // namespace sluice::ctrl
