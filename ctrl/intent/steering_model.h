// What the configuration says of the way from a service to its pools, and of how pools deal with backends
// that come and fail. Values only, part of a Model.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/address.h"

namespace sluice::ctrl {

/// One pool of a split.
struct SplitShareModel {
  std::string pool;
  uint32_t weight = 1;
  bool operator==(const SplitShareModel&) const = default;
};

/// Where flows from some sources go: `pool`, or `split`.
struct SourceRouteModel {
  std::vector<Prefix> source;
  std::string pool;  ///< empty: there is a split
  std::vector<SplitShareModel> split = {};
  bool operator==(const SourceRouteModel&) const = default;
};

struct MirrorModel {
  std::string pool;
  double fraction = 1;  ///< of flows
  bool operator==(const MirrorModel&) const = default;
};

/// When a backend is ejected for what its handshakes come to.
struct OutlierModel {
  unsigned failures = 5;  ///< in a row
  std::chrono::milliseconds window{10'000};
  std::chrono::milliseconds ejection{30'000};
  double most = 0.5;  ///< of the pool
  bool operator==(const OutlierModel&) const = default;
};

}  // namespace sluice::ctrl
