// What is known of one pool from its source, and how sure that is: the last good set, what a guard holds
// back, what was withdrawn. Pure: time is an argument. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/intent/model.h"
#include "ctrl/observed/snapshot.h"
#include "ctrl/observed/unite.h"

namespace sluice::ctrl {

enum class SourceState : uint8_t {  ///< the later the worse
  kSynced,
  kConnecting,  ///< nothing has been heard yet
  kHeld,        ///< the last update would take too much away, and waits
  kStale,       ///< out of reach; the last good set holds
  kFailed,      ///< out of reach, and nothing ever came
};
std::string_view word_for(SourceState state);

/// One point in time on the two clocks.
struct Moment {
  std::chrono::steady_clock::time_point steady;
  std::chrono::system_clock::time_point wall;
  static Moment now() { return {std::chrono::steady_clock::now(), std::chrono::system_clock::now()}; }
};

/// What the configuration says of outages and of what is withdrawn.
struct SourcePolicy {
  std::optional<std::chrono::milliseconds> hold_for = {};
  OnEmpty on_empty = OnEmpty::kApply;
  std::chrono::milliseconds resync{60'000};
  std::optional<double> guard = {};
  Withdraw withdraw = Withdraw::kDrain;
};
SourcePolicy policy_of(const SourceModel& source, const DiscoverModel& discover);

class DiscoveredPool {
 public:
  /// A source that says nothing for so long beyond `resync` counts as out of reach.
  static constexpr std::chrono::seconds kSilence{10};

  explicit DiscoveredPool(Moment now) : since_(now.wall), last_word_(now.steady) {}

  // What a source says. Each tells whether the members differ afterwards.
  bool deliver(std::vector<Discovered> next, const std::vector<BackendModel>& file,
               const SourcePolicy& policy, Moment now);
  bool confirm(Moment now);
  void lost(const std::string& reason, Moment now);

  /// Lets through what is held; false where nothing is.
  bool release(const SourcePolicy& policy, Moment now);
  /// What time alone changes: silence, and an outage that is too long. Often. True: the members differ.
  bool expire(const SourcePolicy& policy, Moment now);
  /// A withdrawn member whose last flow has ended. False: it is none.
  bool forget(const HostPort& at) { return withdrawn_.erase(at) > 0; }
  /// Another subscription begins: what is known stays until that has answered.
  void restart(Moment now);

  const std::vector<Discovered>& present() const { return applied_; }
  const Withdrawn& withdrawn() const { return withdrawn_; }
  SourceState state() const { return state_; }
  const std::string& reason() const { return reason_; }
  std::chrono::system_clock::time_point since() const { return since_; }
  /// Nothing: it has never answered.
  const std::optional<std::chrono::system_clock::time_point>& last_success() const { return last_success_; }
  /// Whether this subscription has answered.
  bool has_answered() const { return has_answered_; }
  bool is_held() const { return held_.has_value(); }

 private:
  void set_state(SourceState state, std::string reason, Moment now);
  void heard(Moment now);
  void settle(Moment now);
  bool apply(std::vector<Discovered> next, Withdraw withdraw);
  std::string objection(const std::vector<Discovered>& next, const std::vector<BackendModel>& file,
                        const SourcePolicy& policy) const;

  std::vector<Discovered> applied_;  ///< what counts, in order of endpoint
  std::vector<Discovered>
      delivered_;  ///< the last good set: differs from `applied_` after too long an outage
  std::optional<std::vector<Discovered>> held_;
  std::string why_held_;
  Withdrawn withdrawn_;
  SourceState state_ = SourceState::kConnecting;
  std::string reason_;
  std::chrono::system_clock::time_point since_;
  std::optional<std::chrono::system_clock::time_point> last_success_;
  std::chrono::steady_clock::time_point last_word_;
  std::optional<std::chrono::steady_clock::time_point> out_since_;  ///< of an outage
  bool has_answered_ = false;
  bool is_emptied_ = false;  ///< by `hold_for`
};

}  // namespace sluice::ctrl
