// `panic`, `slow_start` and `outlier` of pools, from and to JSON, and how they must fit the rest. Control
// thread.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/config_decode.h"

namespace sluice::ctrl {

void decode_pool_behaviour(const Cursor& pool, PoolModel& target);
/// Adds what is there to the object.
void encode_pool_behaviour(const PoolModel& pool, nlohmann::json& object);

/// That services see what outlier rules, and policies that go by answers, are to go by.
void check_seen_answers(const Draft& draft, Cursor::Faults& faults);

}  // namespace sluice::ctrl
