// `registry`: reading, checking and writing it. Control thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/registry_model.h"

namespace sluice::ctrl {

std::optional<RegistryModel> decode_registry(const Cursor& registry);
nlohmann::json encode_registry(const RegistryModel& registry);

}  // namespace sluice::ctrl
