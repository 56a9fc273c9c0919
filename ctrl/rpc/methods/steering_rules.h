// What trace.explain says of the routes and splits that sent a flow to its pool. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "ctrl/intent/model.h"
#include "lb/decided_rule.h"

namespace sluice::ctrl {

/// `{kind, name, detail}` of a route, a split or a mirror: its name is that of the pool that it leads to.
/// Nothing for what is neither, or is no longer in the configuration. `before` is what decided before it: a
/// split may be that of a route.
std::optional<nlohmann::json> steering_rule(const lb::DecidedRule& rule, const lb::DecidedRule* before,
                                            const ServiceModel& service);

}  // namespace sluice::ctrl
