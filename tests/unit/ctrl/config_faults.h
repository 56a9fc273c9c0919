// What is wrong with a configuration, and a part of one by its JSON Pointer.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ctrl/intent/config_schema.h"

namespace sluice::ctrl {

/// Every fault as `pointer: message`, sorted.
inline std::vector<std::string> fault_lines(const nlohmann::json& config) {
  const auto model = parse_config(config);
  std::vector<std::string> lines;
  if (model) return lines;
  for (const Fault& fault : model.error().faults) lines.push_back(fault.pointer + ": " + fault.message);
  std::ranges::sort(lines);
  return lines;
}

/// The pointers of all faults, sorted.
inline std::vector<std::string> fault_pointers(const nlohmann::json& config) {
  const auto model = parse_config(config);
  std::vector<std::string> pointers;
  if (model) return pointers;
  for (const Fault& fault : model.error().faults) pointers.push_back(fault.pointer);
  std::ranges::sort(pointers);
  return pointers;
}

/// What is at a place, made where there is nothing.
inline nlohmann::json& value_at(nlohmann::json& config, const char* pointer) {
  return config[nlohmann::json::json_pointer(pointer)];
}

}  // namespace sluice::ctrl
