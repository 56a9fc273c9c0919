// YAML text to JSON, by the core schema of YAML 1.2, with the position of every field. Control thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace sluice::ctrl {

struct FilePosition {
  int line = 1;    ///< 1-based
  int column = 1;  ///< 1-based
};

/// By JSON Pointer: of a member its key, of an element its first character.
using FieldPositions = std::unordered_map<std::string, FilePosition>;

/// A key that its mapping has already: the first one counts.
struct DuplicateKey {
  std::string pointer;
  FilePosition position;
};

struct YamlDocument {
  nlohmann::json value;
  FieldPositions positions;
  std::vector<DuplicateKey> duplicates;  ///< in the order of the text, at most a thousand
  struct SyntaxError {
    FilePosition position;
    std::string message;
  };
  std::optional<SyntaxError> error;  ///< then the rest means nothing
};

/// Reads exactly one document, not empty. A plain scalar is null, a boolean or a number where the core
/// schema says so and no digit is a leading zero (`012` has meant two numbers in YAML's history: it stays
/// text); everything quoted is text. Keys that are no text, tags other than `!!str`, nesting deeper than 32
/// and aliases that multiply into more than a million values are errors; duplicate keys are told apart, so
/// that the rest can be looked at.
YamlDocument read_yaml(const std::string& text);

}  // namespace sluice::ctrl
