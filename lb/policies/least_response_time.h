// least-response-time: of two of the schedule the one that is expected to answer sooner, by the peak EWMAs of
// its handshakes and first answers and the flows that it has open (after Finagle's "Peak EWMA" over
// Mitzenmacher's two choices).
#pragma once

#include "lb/handshake_watch.h"
#include "lb/policies/random.h"

namespace sluice::lb {

/// How long a new flow would wait, in proportion: what is known for one flow, times the flows.
struct ResponseCost {
  double value;
  bool operator<(const ResponseCost& other) const { return value < other.value; }

  static ResponseCost of(BackendId id, const Draw& draw) {
    const AnswerTime& time = draw.answer_times[id];
    // Of whom nothing is known gets a flow at once, and no other until it has answered that one.
    if (!time.is_known() && time.open_flows == 0) return {0};
    const double expected =
        time.is_known() ? time.expected_ns(draw.now_ns) : static_cast<double>(HandshakeWatch::kFailureNs);
    return {expected * (time.open_flows + 1.0) / std::max(1u, draw.backends[id].weight)};
  }
};

inline BackendId choose_soonest_of_two(const PoolTable& pool, const Draw& draw) {
  constexpr unsigned kDraws = 4;
  const BackendId one = choose_at_random(pool, draw);
  BackendId other = one;
  // Two of one say nothing; with few backends that would be often, and one that fails have its share of it.
  for (unsigned i = 0; i < kDraws && other == one; ++i) other = choose_at_random(pool, draw);
  if (draw.answer_times == nullptr) return Load::of(other, draw) < Load::of(one, draw) ? other : one;
  return ResponseCost::of(other, draw) < ResponseCost::of(one, draw) ? other : one;
}

inline constexpr PolicyRow kLeastResponseTimePolicy{Policy::kLeastResponseTime, "least-response-time",
                                                    nullptr, choose_soonest_of_two, true};

}  // namespace sluice::lb
