// What the configuration says of who may send to a service, and how much: `sets`, and `access` and `limits`
// of services and pools. Values only, part of a Model.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/address.h"

namespace sluice::lb {
class PrefixSet;
}

namespace sluice::ctrl {

/// A list of prefixes with a name.
struct SetModel {
  std::string name;
  std::vector<Prefix> addresses;
  std::string file;  ///< with more of them, one a line; empty: none
  /// All of them, with what the file had when this was read; what it has now is observed (SetContents). Not
  /// part of the intent: two that differ in nothing else are equal.
  std::shared_ptr<const lb::PrefixSet> content = {};

  bool operator==(const SetModel& other) const {
    return name == other.name && addresses == other.addresses && file == other.file;
  }
};

/// A prefix, or a set.
struct AccessEntry {
  std::string set;  ///< empty: it is the prefix
  Prefix prefix = {};
  bool operator==(const AccessEntry&) const = default;
};

/// The longest match of both lists decides; at a tie `deny`.
struct AccessModel {
  std::vector<AccessEntry> allow;  ///< empty: whoever is not denied
  std::vector<AccessEntry> deny;
  bool is_open() const { return allow.empty() && deny.empty(); }
  bool operator==(const AccessModel&) const = default;
};

/// In every window of t seconds at most rate * t + burst.
struct RateModel {
  double rate = 0;  ///< a second, above 0
  uint64_t burst = 0;
  bool operator==(const RateModel&) const = default;
};

/// For each source apart: an address, or all of one prefix.
struct PerSourceModel {
  std::optional<RateModel> new_flows;
  std::optional<RateModel> packets;
  std::optional<uint32_t> flows;
  uint8_t prefix4 = 32;
  uint8_t prefix6 = 64;
  uint32_t remembered = 1u << 20;  ///< sources that are told apart
  bool operator==(const PerSourceModel&) const = default;
};

struct LimitsModel {
  std::optional<RateModel> new_flows;
  std::optional<RateModel> packets;
  std::optional<uint32_t> flows;
  std::optional<PerSourceModel> per_source;
  bool is_open() const { return !new_flows && !packets && !flows && !per_source; }
  bool operator==(const LimitsModel&) const = default;
};

/// `limits` of a pool.
struct PoolLimitsModel {
  std::optional<uint32_t> flows_per_backend;
  bool operator==(const PoolLimitsModel&) const = default;
};

}  // namespace sluice::ctrl
