// `sources`, and `discover` of pools: reading, checking and writing them. Control thread.
#pragma once

#include <nlohmann/json.hpp>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/config_decode.h"
#include "ctrl/intent/source_model.h"

namespace sluice::ctrl {

void decode_sources(const Cursor& sources, Draft& draft);
std::optional<DiscoverModel> decode_discover(const Cursor& discover);

/// That sources have names of their own and the keys of their types, and that pools discover by what there
/// is.
void check_sources(const Cursor& root, const Draft& draft, Cursor::Faults& faults);

nlohmann::json encode_source(const SourceModel& source);
nlohmann::json encode_discover(const DiscoverModel& discover);

}  // namespace sluice::ctrl
