// `panic` and `slow_start` of pools, from and to JSON. Control thread.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/config_decode.h"

namespace sluice::ctrl {

void decode_pool_behaviour(const Cursor& pool, PoolModel& target);
/// Adds what is there to the object.
void encode_pool_behaviour(const PoolModel& pool, nlohmann::json& object);

}  // namespace sluice::ctrl
