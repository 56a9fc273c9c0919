// What no schema can say: how the parts of a configuration must fit each other. Control thread.
#pragma once

#include "ctrl/config_cursor.h"
#include "ctrl/config_decode.h"

namespace sluice::ctrl {

/// Adds a fault for everything that does not fit.
void check_network(const Draft& draft, Cursor::Faults& faults);
void check_pools(const Draft& draft, Cursor::Faults& faults);
void check_services(const Draft& draft, Cursor::Faults& faults);

}  // namespace sluice::ctrl
