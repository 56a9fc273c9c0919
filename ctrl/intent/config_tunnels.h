// `tunnels`: reading, checking and writing them. Control thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/config_decode.h"
#include "ctrl/intent/tunnel_model.h"

namespace sluice::ctrl {

/// Where sequence numbers are kept if the configuration does not say.
inline constexpr const char* kTunnelState = "/var/lib/sluice/tunnels";

void decode_tunnels(const Cursor& tunnels, Draft& draft);
/// That tunnels fit each other, the ports, and what is forwarded directly. Keys are looked at as files,
/// later.
void check_tunnels(const Draft& draft, Cursor::Faults& faults);
nlohmann::json encode_tunnel(const TunnelModel& tunnel);

/// Nothing: there is no such algorithm.
std::optional<EspAlgorithm> esp_algorithm_of(std::string_view word);
const char* word_for(EspAlgorithm algorithm);

}  // namespace sluice::ctrl
