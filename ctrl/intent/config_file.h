// The YAML file: read with care for types, depth, size and aliases, with a position for every field.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/result.h"
#include "ctrl/intent/fault.h"
#include "ctrl/intent/yaml_reader.h"

namespace sluice::ctrl {

struct ConfigFile {
  std::string path;
  nlohmann::json config;
  FieldPositions positions;
  std::vector<DuplicateKey> duplicates;  ///< where there are any, the configuration must not be used

  /// `file:line:column: message (pointer)` for each fault and each duplicate key; a pointer to something
  /// absent takes the position of its nearest ancestor. In the order of the file.
  std::vector<std::string> describe(const std::vector<Fault>& faults) const;
};

/// Reads and converts, as read_yaml() says. An unreadable file, one larger than 64 MiB or a YAML syntax
/// error is one line with its position.
Result<ConfigFile> read_config_file(const std::string& path);

/// The same for text in memory, named `path` in messages: for tests and fuzzing.
Result<ConfigFile> parse_config_text(const std::string& path, const std::string& text);

}  // namespace sluice::ctrl
