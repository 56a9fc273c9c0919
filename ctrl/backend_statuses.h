// The run-time states of all configured backends, with a way back from changes that were not to be.
// Control thread.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "ctrl/compile.h"
#include "ctrl/model.h"

namespace sluice::ctrl {

class BackendStatuses {
 public:
  using Time = std::chrono::system_clock::time_point;

  const std::map<BackendKey, BackendStatus>& all() const { return statuses_; }
  /// Null: no such backend.
  const BackendStatus* find(const BackendKey& key) const;

  /// Follows a change of the model: new backends are active and healthy, removed ones are forgotten, and
  /// those that are checked no longer count as healthy. A pool under a new name keeps what an operator set.
  void follow(const Model& before, const Model& after, Time now);
  /// What an operator wants, and what a check found. False: that is so already.
  bool set_admin(const BackendKey& key, AdminState state, Time now);
  bool set_health(const BackendKey& key, bool healthy, const std::string& reason, Time now,
                  bool check_known = true);

  /// Makes the changes since the last commit() final, or takes them back.
  void commit() { undo_.clear(); }
  void discard();

 private:
  void set(const BackendKey& key, std::optional<BackendStatus> status);

  std::map<BackendKey, BackendStatus> statuses_;
  std::vector<std::pair<BackendKey, std::optional<BackendStatus>>> undo_;
};

}  // namespace sluice::ctrl
