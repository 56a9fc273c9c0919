// Which retired numbers of services and backends no record of a flow needs any more: those that no flow had
// when a mark was set which the reader of records has passed. Values; one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "dataplane/tables/flow_lanes.h"

namespace sluice::ctrl {

class FlowMarks {
 public:
  using Numbers = std::set<uint32_t>;

  /// Begins a look at all retired numbers. Without lanes no record needs any.
  void begin(const dataplane::FlowLanes* lanes) {
    has_lanes_ = lanes != nullptr;
    if (!has_lanes_) return;
    if (mark_ && !lanes->has_named(*mark_)) return;
    passed_services_.swap(services_);
    passed_backends_.swap(backends_);
    services_.clear();
    backends_.clear();
    mark_.reset();
  }
  /// Whether no record needs a service's number, which no flow has; so much later at the latest.
  bool is_free_service(uint32_t number) { return is_free(number, passed_services_, services_); }
  bool is_free_backend(uint32_t number) { return is_free(number, passed_backends_, backends_); }
  /// Ends the look: what no flow had at this time waits for what workers have told so far.
  void end(const dataplane::FlowLanes* lanes) {
    if (lanes != nullptr && !mark_ && !(services_.empty() && backends_.empty())) mark_ = lanes->pushed();
  }

 private:
  bool is_free(uint32_t number, Numbers& passed, Numbers& waiting) {
    if (!has_lanes_ || passed.erase(number) != 0) return true;
    if (!mark_) waiting.insert(number);
    return false;
  }

  bool has_lanes_ = false;
  std::optional<std::vector<uint64_t>> mark_;  ///< that `services_` and `backends_` wait for
  Numbers services_, backends_, passed_services_, passed_backends_;
};

}  // namespace sluice::ctrl
