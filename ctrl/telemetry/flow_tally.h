// What became of records of flows that have ended: told, or lost. Counted where the data plane counts those
// that found no room, so that all together are the flows that ended. One thread writes.
#pragma once

#include <cstdint>
#include <memory>

#include "dataplane/tables/flow_lanes.h"

namespace sluice::ctrl {

class FlowTally {
 public:
  FlowTally(std::shared_ptr<dataplane::FlowLanes> lanes, lb::FlowReader reader)
      : lanes_(std::move(lanes)), reader_(reader) {}

  void count_told(uint64_t records) { lanes_->count_told(reader_, records); }
  void count_lost(uint64_t records) { lanes_->count_refused(reader_, records); }

 private:
  std::shared_ptr<dataplane::FlowLanes> lanes_;
  lb::FlowReader reader_;
};

}  // namespace sluice::ctrl
