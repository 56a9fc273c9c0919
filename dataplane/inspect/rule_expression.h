// A rule as Hyperscan reads it. Pure.
#pragma once

#include <string>

#include "dataplane/inspect/rule.h"

namespace sluice::dataplane {

/// The pattern; of a literal one that matches these bytes and no others.
std::string expression_of(const InspectionRule& rule);
/// With HS_FLAG_SINGLEMATCH: how often a rule matches is of no interest.
unsigned expression_flags_of(const InspectionRule& rule);

}  // namespace sluice::dataplane
