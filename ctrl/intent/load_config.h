// The configuration file, all the way to a Model: what sluiced starts from and what --check-config and
// `sluicectl config validate` judge. Pure but for reading the file.
#pragma once

#include <chrono>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "ctrl/intent/config_file.h"
#include "ctrl/intent/model.h"

namespace sluice::ctrl {

struct LoadedConfig {
  ConfigFile file;
  Model model;
  std::chrono::system_clock::time_point reading_began = {};  ///< of a file that load_config() has read
};

/// Or every fault, a line each: `file:line:column: message (pointer)`.
tl::expected<LoadedConfig, std::vector<std::string>> load_config(const std::string& path);

/// The same for a file that has been read.
tl::expected<LoadedConfig, std::vector<std::string>> check_config_file(ConfigFile file);

}  // namespace sluice::ctrl
