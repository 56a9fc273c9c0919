// `remote` and `audit`: reading, checking and writing them. Control thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/remote_model.h"

namespace sluice::ctrl {

std::optional<RemoteModel> decode_remote(const Cursor& remote);
nlohmann::json encode_remote(const RemoteModel& remote);

AuditModel decode_audit(const Cursor& audit);
nlohmann::json encode_audit(const AuditModel& audit);

}  // namespace sluice::ctrl
