// What the configuration says of payloads: `inspections`. Values only, part of a Model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/inspect/rule.h"

namespace sluice::ctrl {

using InspectionRules = std::vector<dataplane::InspectionRule>;

/// Rules with a name, which services refer to.
struct InspectionModel {
  std::string name;
  dataplane::InspectionMode mode = dataplane::InspectionMode::kStream;
  uint32_t bytes = 4096;     ///< of each TCP flow, from the client
  uint32_t streams = 65536;  ///< at the same time, of each worker
  InspectionRules rules;
  std::string rules_file;  ///< with more of them, one a line; empty: none
  /// What the file had when this was read, after `rules`; what it has now is observed. Not part of the
  /// intent: two that differ in nothing else are equal. Null: nothing was read.
  std::shared_ptr<const InspectionRules> from_file = {};

  bool operator==(const InspectionModel& other) const {
    return name == other.name && mode == other.mode && bytes == other.bytes && streams == other.streams &&
           rules == other.rules && rules_file == other.rules_file;
  }
};

}  // namespace sluice::ctrl
