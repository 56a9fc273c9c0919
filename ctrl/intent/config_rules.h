// `sets`, and `access` and `limits` of services and pools: reading, checking and writing them. Control
// thread.
#pragma once

#include <nlohmann/json.hpp>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/config_decode.h"
#include "ctrl/intent/rules_model.h"

namespace sluice::ctrl {

void decode_sets(const Cursor& sets, Draft& draft);
AccessModel decode_access(const Cursor& access);
LimitsModel decode_limits_of_service(const Cursor& limits);
PoolLimitsModel decode_limits_of_pool(const Cursor& limits);

/// That sets have names of their own, and that lists refer to sets that there are. Reads the sets' files: a
/// line that is wrong is a fault, too.
void check_sets(const Cursor& root, Draft& draft, Cursor::Faults& faults);

nlohmann::json encode_set(const SetModel& set);
nlohmann::json encode_access(const AccessModel& access);
nlohmann::json encode_limits(const LimitsModel& limits);
nlohmann::json encode_limits(const PoolLimitsModel& limits);

/// As people write it: `100`, `0.5`.
std::string rate_text(double per_second);
/// `set:NAME`, or the prefix.
std::string access_text(const AccessEntry& entry);

}  // namespace sluice::ctrl
