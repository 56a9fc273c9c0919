// Words for what access lists, limits and inspections decided. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "ctrl/intent/model.h"
#include "lb/decided_rule.h"

namespace sluice::ctrl {

/// `{kind, name, detail}` of a rule of kind access, limit or inspection, which decided about a packet of that
/// service; nothing for other kinds.
std::optional<nlohmann::json> police_rule(const lb::DecidedRule& rule, const ServiceModel& service);

}  // namespace sluice::ctrl
