// Sums over all workers of what they count, for statistics, metrics and the last log line. Control thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/roles/dataplane.h"

namespace sluice::ctrl {

struct PortTotals {
  std::string name;
  uint64_t received_packets = 0;
  uint64_t received_bytes = 0;
  uint64_t transmitted_packets = 0;
  uint64_t transmitted_bytes = 0;
  uint64_t missed_packets = 0;  ///< by the device, before any worker saw them
};

struct TrafficTotals {
  std::vector<PortTotals> ports;
  std::array<uint64_t, dataplane::kDropReasons> dropped{};
  uint64_t received = 0;
  uint64_t transmitted = 0;
  uint64_t consumed = 0;
  uint64_t originated = 0;

  uint64_t all_dropped() const;
  /// `received=.. originated=.. transmitted=.. dropped=.. consumed=..`; where nothing is in flight,
  /// received + originated = transmitted + dropped + consumed.
  std::string to_string() const;
};

TrafficTotals traffic_totals(const dataplane::DataPlane& data_plane);

}  // namespace sluice::ctrl
