// Consul's answers to /v1/health/service, as far as instances are read from them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace sluice::ctrl {

/// The worst state of an instance's checks, those of its node with it.
enum class ConsulState : uint8_t { kPassing, kWarning, kCritical };

struct ConsulInstance {
  std::string id;  ///< for people
  std::string address;
  std::optional<int64_t> port;
  std::optional<int64_t> passing_weight, warning_weight;  ///< nothing: not given
  ConsulState state = ConsulState::kPassing;
};

/// An Error where it is no list of services; what lacks this or that is the caller's to judge.
Result<std::vector<ConsulInstance>> read_consul_health(std::string_view body);

/// The index for the next blocking query after one that asked with `asked` and was answered with the header
/// `answered` (Consul's "Implementation Details"): one that went backwards begins anew, and none is below 1.
uint64_t next_consul_index(uint64_t asked, std::string_view answered);

}  // namespace sluice::ctrl
