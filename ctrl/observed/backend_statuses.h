// The run-time states of all backends, with a way back from changes that were not to be. One thread at a
// time.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/intent/model.h"
#include "ctrl/observed/backend_status.h"

namespace sluice::ctrl {

/// What a committed step did to one backend that was there before: another state, or another answer to
/// whether it can be checked.
struct BackendTransition {
  BackendKey key;
  lb::BackendState from;
  lb::BackendState to;
  std::string reason;
  bool is_checked;  ///< false: its check could not be made
  std::string reason_before = {};
  std::chrono::system_clock::time_point since_before = {};  ///< since when it was in `from`
};

/// A backend that is no member of its pool any more, as it was last.
struct BackendEnd {
  BackendKey key;
  lb::BackendState state;
  std::string reason;
  std::chrono::system_clock::time_point since;
};

struct PoolAvailability {
  size_t listed = 0;
  size_t available = 0;  ///< that take new flows: active, with a weight above 0
  bool operator==(const PoolAvailability&) const = default;
};

/// A pool of which more or fewer backends are available, or that is new.
struct PoolTransition {
  std::string pool;
  std::optional<size_t> available_before;  ///< nothing: it is new
  PoolAvailability now;
};

struct StatusChanges {
  std::vector<BackendTransition> backends;
  std::vector<PoolTransition> pools;  ///< in order of name
  std::vector<BackendEnd> gone = {};
  std::set<std::string> touched_pools = {};  ///< those of which anything differs that is known of a backend
};

class BackendStatuses {
 public:
  using Time = std::chrono::system_clock::time_point;

  const std::map<BackendKey, BackendStatus>& all() const { return statuses_; }
  /// Null: no such backend.
  const BackendStatus* find(const BackendKey& key) const;
  PoolAvailability pool(const std::string& name) const;

  /// An intent, and the members that its pools have.
  struct World {
    const Model& model;
    const MemberLists& members;
  };
  /// Follows a change of either: new backends are active and healthy, those that are no members any more are
  /// forgotten, and those that are checked no longer count as healthy. A pool under a new name keeps what an
  /// operator set. A weight that was set goes with another one that is named.
  void follow(const World& before, const World& after, Time now);
  /// Whoever applies a configuration says what the weights of the backends in it are: answers those that an
  /// operator had set otherwise, and that are no longer.
  std::vector<BackendKey> reset_weights();
  /// What an operator wants, and what a check found. False: that is so already.
  bool set_admin(const BackendKey& key, AdminState state, Time now);
  bool set_health(const BackendKey& key, bool healthy, const std::string& reason, Time now,
                  bool check_known = true);
  /// Why it is ejected as an outlier; empty: it is not, or no longer.
  bool set_ejected(const BackendKey& key, const std::string& reason, Time now);
  bool has_slow_starts() const { return !slow_starts_.empty(); }
  /// Moves slow starts on: answers the pools of which a weight differs with that.
  std::set<std::string> advance_slow_starts(const Model& model, std::chrono::steady_clock::time_point now);
  /// Nothing: the one that is named counts again.
  bool set_weight(const BackendKey& key, std::optional<uint32_t> weight);

  /// Makes the changes since the last commit() final and says what they came to, or takes them back.
  StatusChanges commit();
  void discard();

 private:
  /// A member that is new to its pool, or may differ.
  struct Newcomer {
    AdminState admin = AdminState::kActive;
    bool is_checked = false;
    bool starts_slowly = false;  ///< the pool has served before it came
  };
  void follow(const BackendKey& key, const Member& member, const Newcomer& newcomer, Time now);
  void set(const BackendKey& key, std::optional<BackendStatus> status);
  void note_slow_start(const BackendKey& key, const BackendStatus* before, BackendStatus& status);
  PoolAvailability& touch(const std::string& pool);
  void count(const std::string& pool, const BackendStatus* before, const BackendStatus* after);

  std::map<BackendKey, BackendStatus> statuses_;
  std::set<BackendKey> slow_starts_;  ///< those that start slowly, and maybe some that no longer do
  std::vector<std::pair<BackendKey, std::optional<BackendStatus>>> undo_;
  std::map<std::string, PoolAvailability> pools_;
  std::map<std::string, std::optional<PoolAvailability>> pools_before_;  ///< of those touched since commit()
};

}  // namespace sluice::ctrl
