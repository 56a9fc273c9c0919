// `tracing`: reading, checking and writing it. Control thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/tracing_model.h"

namespace sluice::ctrl {

std::optional<TracingModel> decode_tracing(const Cursor& tracing);
nlohmann::json encode_tracing(const TracingModel& tracing);

}  // namespace sluice::ctrl
