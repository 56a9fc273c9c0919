// The configuration file, all the way to a Model: what sluiced starts from and what --check-config and
// `sluicectl config validate` judge. Pure but for reading the file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "ctrl/model.h"

namespace sluice::ctrl {

struct LoadedConfig {
  nlohmann::json source;
  Model model;
};

/// Or every fault, a line each: `file:line:column: message (pointer)`.
tl::expected<LoadedConfig, std::vector<std::string>> load_config(const std::string& path);

}  // namespace sluice::ctrl
