// `inspections`, and `inspect` of services: reading, checking and writing them. A thread that may wait.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/config_decode.h"
#include "ctrl/intent/inspection_model.h"

namespace sluice::ctrl {

void decode_inspections(const Cursor& inspections, Draft& draft);

/// That inspections and rules have names and ids of their own, that Hyperscan takes each pattern, and that
/// services refer to inspections that there are, and that can do with them what they say. Reads the files of
/// rules: a line that is wrong is a fault, too.
void check_inspections(const Cursor& root, Draft& draft, Cursor::Faults& faults);

/// Why a service cannot have an inspection with those rules; nothing: it can.
std::optional<std::string> misfit_of(const ServiceModel& service, const InspectionModel& inspection,
                                     const InspectionRules& from_file);

/// Its own rules, and those of its file.
InspectionRules all_rules(const InspectionModel& inspection, const InspectionRules& from_file);

nlohmann::json encode_inspection(const InspectionModel& inspection);

}  // namespace sluice::ctrl
