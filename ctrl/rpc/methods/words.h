// How values appear in the answers of methods. Pure.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "ctrl/log/time_text.h"
#include "ctrl/store/gateway.h"

namespace sluice::ctrl {

/// Unix seconds with fractions; null for nothing.
nlohmann::json unix_seconds(std::optional<std::chrono::system_clock::time_point> time);

/// `{pool, address, port}`.
nlohmann::json backend_object(const BackendKey& key);

/// "web 192.0.2.1:80", for people.
std::string backend_text(const BackendKey& key);

/// The backend that `pool`, `address` and `port` of the params name; check_params() has seen them.
BackendKey backend_key(const nlohmann::json& params);

/// The answer to everything that makes a generation.
nlohmann::json apply_object(const ApplyResult& result);

}  // namespace sluice::ctrl
