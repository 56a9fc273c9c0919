// What a stage keeps for some of a worker's flows, by number: which flow has which, and which were left
// behind by flows that have ended. One worker's. Memory is given by the caller and never grows.
#pragma once

#include <cstdint>
#include <span>

#include "lb/flow_entry.h"

namespace sluice::lb {

class FlowAttachments {
 public:
  using Number = uint32_t;
  static constexpr Number kNone = UINT32_MAX;

  FlowAttachments() = default;
  /// `of_flow` are as many as the flow table has entries, `next_ended` as many as there are numbers; both
  /// zeroed, and both outlive this.
  FlowAttachments(std::span<Number> of_flow, std::span<Number> next_ended)
      : of_flow_(of_flow), next_ended_(next_ended) {}

  /// The number that a flow has, or kNone. `request` is the index of its request's entry, here and below.
  Number of(FlowIndex request) const { return of_flow_.empty() ? kNone : of_flow_[request] - 1; }
  void attach(FlowIndex request, Number number) {
    of_flow_[request] = number + 1;
    ++attached_;
  }
  /// Takes the number away from a flow that goes on.
  void detach(FlowIndex request) {
    of_flow_[request] = 0;
    --attached_;
  }

  /// The flow ends: what was attached to it waits to be taken.
  void end(FlowIndex request) {
    if (attached_ == 0) [[likely]]
      return;
    const Number number = of(request);
    if (number == kNone) return;
    detach(request);
    next_ended_[number] = ended_;
    ended_ = number;
  }
  /// One of those that flows have left behind, or kNone.
  Number take_ended() {
    const Number number = ended_;
    if (number != kNone) ended_ = next_ended_[number];
    return number;
  }

 private:
  std::span<Number> of_flow_;     ///< 1 + number; 0: none
  std::span<Number> next_ended_;  ///< by number
  Number ended_ = kNone;
  size_t attached_ = 0;  ///< while it is 0, no memory is looked at
};

}  // namespace sluice::lb
