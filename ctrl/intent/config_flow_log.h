// `flow_log`: reading, checking and writing it. Control thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/flow_log_model.h"

namespace sluice::ctrl {

std::optional<FlowLogModel> decode_flow_log(const Cursor& flow_log);
nlohmann::json encode_flow_log(const FlowLogModel& flow_log);
/// As `to` has it: `file:PATH`, `ipfix:HOST:PORT`, `ipfix+tcp:HOST:PORT`.
std::string destination_text(const FlowLogModel& flow_log);

}  // namespace sluice::ctrl
