// What `sluicectl doctor` finds, for whoever shows or keeps it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "sluicectl/doctor_checks.h"
#include "sluicectl/session.h"

namespace sluice::sluicectl {

/// The host's checks, and one of the gateway, which need not answer.
std::vector<Check> diagnose(Session& session);

/// A list of `{check, state, detail, fix}`.
nlohmann::json checks_object(const std::vector<Check>& checks);

}  // namespace sluice::sluicectl
