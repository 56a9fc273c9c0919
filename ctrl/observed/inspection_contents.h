// What inspections are made of now: the rules that their files have, compiled. Not the intent's: a file
// changes by itself, and compiling takes a while. Values; any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ctrl/intent/inspection_model.h"

namespace sluice::dataplane {
class Inspection;
}

namespace sluice::ctrl {

/// An inspection as workers have it. Immutable.
struct CompiledInspection {
  std::shared_ptr<const InspectionModel> of;          ///< what it was compiled from
  std::shared_ptr<const InspectionRules> rules;       ///< all of them, those of its file behind the others
  std::shared_ptr<dataplane::Inspection> inspection;  ///< without a database where it is not compiled yet
};

/// By name.
using InspectionContents = std::map<std::string, std::shared_ptr<const CompiledInspection>, std::less<>>;

/// What became of reading an inspection's file again.
struct InspectionReading {
  std::shared_ptr<const InspectionModel> of;  ///< as it was meant when the file was read
  std::shared_ptr<const InspectionRules> from_file =
      {};  ///< null: it could not be read, and the old ones stay
  std::string error = {};
};

/// An inspection as `inspection.list` and metrics show it.
struct InspectionRow {
  struct Rule {
    uint32_t id = 0;
    dataplane::RuleAction action = dataplane::RuleAction::kDrop;
    uint64_t matches = 0;
  };
  std::string name;
  dataplane::InspectionMode mode = dataplane::InspectionMode::kStream;
  uint32_t bytes = 0;
  uint32_t streams = 0;  ///< of each worker, at most
  bool is_ready = false;
  std::string error = {};                            ///< why its newest rules are not the ones that count
  std::chrono::system_clock::time_point since = {};  ///< when the present rules were compiled
  std::vector<std::string> services = {};
  uint64_t database_bytes = 0;
  uint64_t stream_bytes = 0;  ///< of memory, for each stream
  uint64_t open_streams = 0;
  uint64_t scanned_bytes = 0;
  uint64_t held_dropped = 0;
  uint64_t ambiguous = 0;
  uint64_t streams_exceeded = 0;
  uint64_t failures = 0;  ///< re-readings that left the old rules
  std::vector<Rule> rules = {};
};

}  // namespace sluice::ctrl
