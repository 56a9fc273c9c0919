// The parts of the page's document that no method of the control socket answers: bounded, the worst first.
// Pure but for what they ask the gateway; on threads that may wait.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "ctrl/store/gateway.h"
#include "ctrl/telemetry/spells.h"
#include "ctrl/telemetry/traffic_history.h"
#include "dataplane/base/drop_reason.h"

namespace sluice::ledger {
class LogReader;
}

namespace sluice::ctrl {

struct UiBounds {
  size_t services = 1000;
  size_t pools = 1000;
  size_t backends_of_pool = 2000;
  size_t backends = 5000;       ///< of all pools together; but for
  size_t backends_always = 16;  ///< so many of each pool that do not take flows
};

/// A pool with all its backends, as `{pool, listed, available, states: {state: count}, backends: [...],
/// omitted}`: those that take no flows come first, and at most `most` are listed.
nlohmann::json ui_pool(const std::string& name, const PoolAvailability& availability,
                       const std::vector<BackendRow>& rows, size_t most);

/// `{rows: [ui_pool...], omitted}`: of too many pools, those that nobody or not everybody serves.
nlohmann::json ui_pools(const Gateway& gateway, const UiBounds& bounds);

/// `{rows, omitted, flows, active_flows}`: `list` is what service.list answers; both sums are over all. Of
/// too many services, those of pools that nobody serves come first.
nlohmann::json ui_services(nlohmann::json list, const Gateway& gateway, size_t most);

/// `[{reason, count, since, last}]` of every reason: when the last spell of drops began, and its last packet.
nlohmann::json ui_drops(const std::array<uint64_t, dataplane::kDropReasons>& dropped, const Spells& spells);

/// `{time, interval, received: [...], transmitted: [...], dropped: [...]}`: packets a second, oldest first;
/// `time` is when the last second ended.
nlohmann::json ui_history(const TrafficHistory& history, double time);

/// `[{reason, meaning, remedy}]`, for people.
nlohmann::json ui_drop_words();

/// `{last_block: {number, time, first_index, transactions, hash}, checkpoint: {size, root}}`: the newest
/// block that the released checkpoint covers, of `blocks` in all; null where there is none. Reads the disk.
nlohmann::json ui_log(ledger::LogReader& log, uint64_t blocks);

}  // namespace sluice::ctrl
