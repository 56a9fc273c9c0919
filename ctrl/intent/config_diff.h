// What differs between two configurations, defaults filled in, for people and scripts. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace sluice::ctrl {

struct DiffEntry {
  /// A JSON Pointer, but that an entry of `sources`, `pools` or `services` is called by its name and a
  /// backend by `address:port`, as their place in a list says nothing:
  /// `/pools/web/backends/10.20.0.11:8080/weight`.
  std::string pointer;
  nlohmann::json before;  ///< null: added
  nlohmann::json after;   ///< null: removed
  bool needs_restart = false;
};

/// In order of pointer. Of what was added or removed, one entry stands for all that is in it.
std::vector<DiffEntry> diff_configurations(const nlohmann::json& before, const nlohmann::json& after);

}  // namespace sluice::ctrl
