// A replay's outcome as an object, for people and programs. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "sim/replay/assumed_neighbors.h"
#include "sim/replay/flow_report.h"
#include "sim/replay/replay_notices.h"

namespace sluice::sim {

/// `first`: when the first frame was captured; times of flows are in seconds since.
nlohmann::json report_object(const ReplayCounts& counts, const std::vector<ReplayedFlow>& flows,
                             const std::vector<std::string>& ports, uint64_t first);
nlohmann::json neighbors_array(const AssumedNeighbors::Known& neighbors,
                               const std::vector<std::string>& ports);
/// Flows of two replays of the same captures that went to another backend, or that one dropped: a list of
/// `{protocol, source, destination, service, from, to}`.
nlohmann::json moved_flows(const nlohmann::json& before, const nlohmann::json& after);
/// The text that a report is for people at a terminal.
std::string report_text(const nlohmann::json& report);

}  // namespace sluice::sim
