// `events`: reading, checking and writing it. Control thread.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/events_model.h"

namespace sluice::ctrl {

EventsModel decode_events(const Cursor& events);
/// Null where nothing is configured.
nlohmann::json encode_events(const EventsModel& events);

}  // namespace sluice::ctrl
