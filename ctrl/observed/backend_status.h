// What is known of one backend beyond its configuration, and what follows for new flows. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "ctrl/intent/model.h"
#include "ctrl/observed/member.h"
#include "lb/backend.h"
#include "lb/maglev.h"

namespace sluice::ctrl {

/// What is known of a backend beyond its configuration.
struct BackendStatus {
  AdminState admin = AdminState::kActive;
  bool healthy = true;
  std::string health_reason = {};  ///< what the last check found, for people; empty: none has ended
  std::chrono::system_clock::time_point since = {};  ///< when the state last changed
  bool check_known = true;           ///< false: the last check could not be made, so `healthy` is older
  Offer offer = Offer::kTakesFlows;  ///< of whoever names the backend
  uint32_t named_weight = 1;         ///< the same
  bool is_from_file = true;
  std::optional<uint32_t> set_weight = {};  ///< by an operator; counts as long as it is there
  uint64_t transitions = 0;                 ///< of the effective state, since the backend is known
  std::string ejected = {};                 ///< why it is ejected as an outlier; empty: it is not
  /// Of its weight, that count where its pool has slow starts: it has just come up, or come back.
  uint8_t tenths = lb::kWholeWeight;
  /// When its slow start began; nothing: it has not been looked at since, or there is none.
  std::optional<std::chrono::steady_clock::time_point> slow_start_began = {};

  uint32_t weight() const { return set_weight.value_or(named_weight); }
};

/// How much of a backend's weight counts at a time of its slow start: from a tenth of it to all, linearly, in
/// steps of a tenth.
uint8_t slow_start_tenths(std::chrono::steady_clock::duration since_begin,
                          std::chrono::steady_clock::duration slow_start);

/// The effective state, by the rules of interface.md section 5 (fail_open aside), and why.
struct EffectiveState {
  lb::BackendState state;
  std::string reason;
};
EffectiveState effective_state(const BackendStatus& status);

}  // namespace sluice::ctrl
