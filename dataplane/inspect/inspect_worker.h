// What one worker remembers of the flows that it inspects: their streams, and the segments that wait. Memory
// is given by the caller and never grows.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/inspect/client_stream.h"
#include "dataplane/inspect/held_segments.h"
#include "lb/flow_attachments.h"

struct hs_stream;

namespace sluice::dataplane {

class Inspection;

/// Of one flow, in one cache line. All-zero bytes are a free place that is the last in the list of free ones.
struct alignas(64) InspectedFlow {
  ClientStream order;
  Inspection* inspection;  ///< whose stream it has; alive as long as that is open
  hs_stream* stream;       ///< null: it has none any more, and is blocked
  union {
    lb::FlowIndex flow;      ///< its request's entry
    uint32_t next_free = 0;  ///< of a free place: 1 + the next one
  };
  uint32_t other_first;  ///< what the first byte's number is if another SYN is the one that was taken
  uint32_t rule;         ///< which one lets no more pass: its place among those of the inspection as long as
                         ///< there is a stream, then its id
  bool is_refused;       ///< the next segment has been scanned, and the rule was found in it
  bool is_scanned;  ///< nothing is scanned any more: there are no more bytes, or no more that are looked at
  bool has_other;
};
static_assert(sizeof(InspectedFlow) == 64);

class InspectWorker {
 public:
  using Number = lb::FlowAttachments::Number;
  static constexpr Number kNone = lb::FlowAttachments::kNone;

  struct Memory {  ///< as many of each as there are flow entries, zeroed
    std::span<InspectedFlow> flows;
    std::span<Number> of_flow;
    std::span<Number> next_ended;
  };
  explicit InspectWorker(const Memory& memory)
      : flows_(memory.flows), attachments(memory.of_flow, memory.next_ended) {}

  InspectedFlow& operator[](Number number) { return flows_[number]; }
  const InspectedFlow& operator[](Number number) const { return flows_[number]; }
  Number number_of(const InspectedFlow& inspected) const {
    return static_cast<Number>(&inspected - flows_.data());
  }
  /// A place for a flow that has none. There is one for each flow that there can be, once those of ended
  /// flows are given back.
  Number take(lb::FlowIndex flow) {
    const Number number = free_ != 0 ? free_ - 1 : touched_++;
    if (free_ != 0) free_ = flows_[number].next_free;
    flows_[number] = {};
    flows_[number].flow = flow;
    attachments.attach(flow, number);
    return number;
  }
  void give_back(Number number) {
    flows_[number].next_free = free_;
    free_ = number + 1;
  }

 private:
  std::span<InspectedFlow> flows_;
  Number free_ = 0;     ///< 1 + the last place given back
  Number touched_ = 0;  ///< places before it have been used

 public:
  lb::FlowAttachments attachments;
  HeldSegments held;
  /// Tables::inspection_generation since which flows that nobody has looked at go by packet.
  uint64_t generation = 0;
  lb::FlowIndex cursor = 0;  ///< while they are looked for: the next entry to look at
  bool is_sweeping = false;
};

}  // namespace sluice::dataplane
