// What a replay has to say besides its figures: what it leaves out, what it assumed, and what people would
// wonder at, with what mends it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ctrl/intent/model.h"
#include "ctrl/store/traffic_totals.h"

namespace sluice::sim {

struct ReplayCounts {
  uint64_t frames = 0;   ///< that came in
  uint64_t cut = 0;      ///< of these, captured in part
  uint64_t foreign = 0;  ///< of these, sent to another MAC address than their port's
  bool is_all_read = true;
  uint64_t duration_ns = 0;
  ctrl::TrafficTotals totals;
};

/// What a configuration has that is not simulated.
std::vector<std::string> notices_of(const ctrl::Model& model);
std::string notice_of_mac(const std::string& port, const MacAddress& mac, const std::string& file);
void add_notices_of(const ReplayCounts& counts, size_t assumed_neighbors, std::vector<std::string>& notices);

}  // namespace sluice::sim
