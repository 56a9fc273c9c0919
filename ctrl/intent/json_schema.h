// The part of JSON Schema draft-07 that docs/reference/config.schema.json uses, checked with messages for
// people and in one pass over the document. Pure; control thread.
//
// `pattern` and `format` are annotations here: whoever decodes a string says better what is wrong with it,
// and std::regex recurses as deep as a hostile string is long.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/intent/fault.h"

namespace sluice::ctrl {

/// Nobody reads more than that; a hostile document must not make more.
inline constexpr size_t kMostFaults = 1000;

class JsonSchema {
 public:
  /// Throws std::invalid_argument for a keyword that it does not know: what is not checked must not be
  /// written. References are local (`#/definitions/...`) and must not form a cycle.
  explicit JsonSchema(const nlohmann::json& schema);

  /// Every violation, each once, at the pointer of the innermost value that is wrong; of a missing key, the
  /// pointer that it would have. In the order of the document's keys; no
  /// more than about kMostFaults.
  std::vector<Fault> check(const nlohmann::json& document) const;

 private:
  struct Node;
  class Check;
  static std::shared_ptr<const Node> parse(const nlohmann::json& schema, const nlohmann::json& root,
                                           int depth);
  std::shared_ptr<const Node> root_;
};

/// One reference token of a JSON Pointer (RFC 6901), escaped.
std::string escape_pointer_token(std::string_view token);

/// The candidate that is most likely meant by a misspelt word; nothing where none is near.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace sluice::ctrl
