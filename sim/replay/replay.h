// A gateway with a configuration, and captures as its wire: frames come in at the times at which they were
// captured, under a virtual clock, and what leaves is written with its own. One thread; one to a process.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "ctrl/intent/model.h"
#include "sim/replay/capture_input.h"

namespace sluice::sim {

struct ReplayWish {
  std::vector<PortFile> in;
  std::vector<PortFile> out;  ///< without a port: all of them
  /// How long to go on, from the first frame; nothing: a second behind the last one.
  std::optional<std::chrono::nanoseconds> until;
  /// Whether to answer for neighbors that no capture shows; nothing: on ports that have no capture of their
  /// own, and on an only port.
  std::optional<bool> assumes_neighbors;
};

/// What became of it: `{duration, packets, ports, drops, flows, answers, assumed_neighbors, notices}`, as
/// docs/how-to/simulate.md has it.
Result<nlohmann::json> replay(ctrl::Model model, const ReplayWish& wish);

}  // namespace sluice::sim
