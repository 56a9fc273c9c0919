// The `health` section of a pool, from and to JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/model.h"

namespace sluice::ctrl {

/// What is set although the type has no use for it, or missing although it needs it, is a fault.
HealthCheck decode_health(const Cursor& from);
/// With the keys of its type alone.
nlohmann::json encode_health(const HealthCheck& check);

}  // namespace sluice::ctrl
