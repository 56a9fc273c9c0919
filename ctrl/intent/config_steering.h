// `split` and `routes` of services: from and to JSON, and how they must fit the rest. Control thread.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/config_decode.h"

namespace sluice::ctrl {

/// Lists keep the places of the document: what cannot be read leaves an entry without a name.
void decode_steering(const Cursor& service, ServiceModel& target);
/// Adds what is there to the object.
void encode_steering(const ServiceModel& service, nlohmann::json& object);

/// That each service, and each of its routes, has either a pool or a split that leads somewhere, and that all
/// pools that it names are there.
void check_steering(const Draft& draft, Cursor::Faults& faults);

}  // namespace sluice::ctrl
