// What a worker remembers of the service rules that it enforces, beside lb::FlowAdmission. One worker's.
#pragma once

#include <cstdint>

#include "lb/flow_entry.h"

namespace sluice::dataplane {

struct PoliceState {
  /// Tables::access_generation that every flow of this worker's has been held against.
  uint64_t access_generation = 0;
  /// While flows are held against a newer one: the next entry to look at. Until all have been, packets of
  /// services with an access list have no known path.
  lb::FlowIndex cursor = 0;
  bool is_sweeping = false;
};

}  // namespace sluice::dataplane
