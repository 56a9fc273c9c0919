// The `ledger` section between JSON and LedgerModel, and how it must fit the rest. Pure; control thread.
#pragma once

#include <nlohmann/json.hpp>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/config_decode.h"

namespace sluice::ctrl {

/// Reads the section, where there is one, into `draft`; what cannot be read becomes a fault.
void decode_ledger(const Cursor& ledger, Draft& draft);

/// Adds a fault for each ingress that is listed twice, or that a service or full-nat would take from.
void check_ledger(const Draft& draft, Cursor::Faults& faults);

/// The section again, with every default filled in.
nlohmann::json encode_ledger(const LedgerModel& ledger);

}  // namespace sluice::ctrl
