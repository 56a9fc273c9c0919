// `tls` of the configuration, as clients of other services have it: sources, NATS.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/source_model.h"

namespace sluice::ctrl {

/// Where there is none, `model` stays as it is.
void decode_client_tls(const Cursor& tls, SourceTlsModel& model);
nlohmann::json encode_client_tls(const SourceTlsModel& model);

}  // namespace sluice::ctrl
