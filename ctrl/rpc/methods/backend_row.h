// A backend as backend.list and the page tell of it. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "ctrl/store/gateway.h"

namespace sluice::ctrl {

/// `{pool, address, port, state, reason, since, weight, origin, share, active_flows}`.
nlohmann::json backend_row_object(const BackendRow& row);

}  // namespace sluice::ctrl
