// Flows that had to give way to others. Written by one worker, read by any thread.
#pragma once

#include "common/counter.h"
#include "lb/flow_entry.h"

namespace sluice::lb {

/// By what was lost, whether they gave way for their entries or their ports.
struct EvictedFlows {
  Counter unanswered;
  Counter closing;
  Counter answered;

  Counter& of(FlowState state) {
    if (is_unanswered(state)) return unanswered;
    return state == FlowState::kClosing ? closing : answered;
  }
};

}  // namespace sluice::lb
