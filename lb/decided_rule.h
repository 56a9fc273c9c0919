// Which rules of a service decided about a packet, as the data plane knows them: numbers, to which the
// control thread gives words. Plain values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/address.h"

namespace sluice::lb {

/// Every limit that may refuse a packet or a new flow.
enum class Limit : uint8_t {
  kNone,
  kNewFlows,
  kPackets,
  kFlows,
  kSourceNewFlows,
  kSourcePackets,
  kSourceFlows,
  kBackendFlows,  ///< every backend of the pool has as many as it may
};

struct DecidedRule {
  enum class Kind : uint8_t { kAccess, kRoute, kSplit, kLimit, kInspection, kMirror };
  static constexpr uint32_t kNoIndex = UINT32_MAX;

  Kind kind = Kind::kAccess;
  bool is_refusal = false;     ///< the packet is dropped for it
  Limit limit = Limit::kNone;  ///< kLimit: which
  uint32_t index = kNoIndex;   ///< of the entry in its list, as the configuration has it; kAccess: of both
                               ///< lists, `allow` first
  bool has_prefix = false;     ///< the following holds
  Prefix prefix = {};          ///< kAccess, kRoute: what the source matched
};

/// Those of one packet, in the order in which they decided. More than there is room for are left out.
class DecidedRules {
 public:
  static constexpr size_t kMost = 8;

  void add(const DecidedRule& rule) {
    if (count_ < kMost) rules_[count_++] = rule;
  }
  std::span<const DecidedRule> all() const { return {rules_.data(), count_}; }

 private:
  std::array<DecidedRule, kMost> rules_{};
  size_t count_ = 0;
};

}  // namespace sluice::lb
