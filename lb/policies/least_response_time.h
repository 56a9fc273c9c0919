// least-response-time: of two of the schedule the one that is expected to answer sooner, by the averages of
// its handshakes and first answers and the flows that it has open (after Finagle's "Peak EWMA" over
// Mitzenmacher's two choices).
#pragma once

#include "lb/handshake_watch.h"
#include "lb/policies/random.h"

namespace sluice::lb {

/// Whether a backend's last handshakes have failed, or take as long as if they had.
inline bool is_failing(const AnswerTime& time, uint64_t now_ns) {
  return time.handshake.faded(now_ns) >= static_cast<double>(HandshakeWatch::kFailureNs) / 4;
}

/// How long a new flow would wait, in proportion: what is known for one flow, times the flows.
inline double response_cost(BackendId id, bool with_response, const Draw& draw) {
  const AnswerTime& time = draw.answer_times[id];
  double expected_ns = time.handshake.faded(draw.now_ns);
  if (with_response) {
    expected_ns += time.response.faded(draw.now_ns);
  } else if (!time.handshake.is_known()) {
    // Of whom nothing is known gets a flow at once, and no other until it has answered that one.
    expected_ns = time.open_flows == 0 ? 0 : static_cast<double>(HandshakeWatch::kFailureNs);
  }
  return expected_ns * (time.open_flows + 1.0) / std::max(1u, draw.backends[id].weight);
}

/// Whether `one` is expected to answer a new flow sooner than `other`. Who fails does not, however long the
/// other's answers take. While the first answer of either is not known, handshakes alone are compared: else
/// one that has just come would get all flows until it has given its first.
inline bool answers_sooner(BackendId one, BackendId other, const Draw& draw) {
  const AnswerTime &its = draw.answer_times[one], &others = draw.answer_times[other];
  const bool fails = is_failing(its, draw.now_ns);
  if (fails != is_failing(others, draw.now_ns)) return !fails;
  const bool with_response = its.response.is_known() && others.response.is_known();
  return response_cost(one, with_response, draw) < response_cost(other, with_response, draw);
}

inline BackendId choose_soonest_of_two(const PoolTable& pool, const Draw& draw) {
  constexpr unsigned kDraws = 4;
  const BackendId one = choose_at_random(pool, draw);
  BackendId other = one;
  // Two of one say nothing; with few backends that would be often, and one that fails have its share of it.
  for (unsigned i = 0; i < kDraws && other == one; ++i) other = choose_at_random(pool, draw);
  if (draw.answer_times == nullptr) return Load::of(other, draw) < Load::of(one, draw) ? other : one;
  return answers_sooner(other, one, draw) ? other : one;
}

inline constexpr PolicyRow kLeastResponseTimePolicy{Policy::kLeastResponseTime, "least-response-time",
                                                    nullptr, choose_soonest_of_two, true};

}  // namespace sluice::lb
