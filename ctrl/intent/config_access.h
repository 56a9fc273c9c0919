// `tls` and `jwt` of a server: reading and writing them. Control thread.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "ctrl/intent/access_model.h"
#include "ctrl/intent/config_cursor.h"

namespace sluice::ctrl {

ServerTlsModel decode_server_tls(const Cursor& tls);
TokenModel decode_tokens(const Cursor& jwt);

/// Adds the members `tls` and `jwt` to `object`, where there are such.
void encode_access(nlohmann::json& object, const ServerTlsModel& tls, const TokenModel& jwt);

}  // namespace sluice::ctrl
