// How many flows a change ended, as the log says it. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace sluice::ctrl {

/// `flows_cut=0`, or how many in all and the services that lost most: `flows_cut=37 (web 30, dns 7)`.
/// Nothing: the workers did not answer in time.
std::string flows_cut_text(const std::optional<std::map<std::string, uint64_t>>& cut);

}  // namespace sluice::ctrl
