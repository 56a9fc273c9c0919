// Which backends are ejected because their handshakes fail (interface.md, section 10). One thread at a time.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/intent/model.h"

namespace sluice::ctrl {

/// A failure of a backend's handshake, or an answer that ends a row of them.
struct BackendSignal {
  BackendKey backend;
  std::string_view failure;                  ///< for people ("RST answers SYN"); empty: it has answered
  std::chrono::steady_clock::time_point at;  ///< by the clock of workers: for the time between two
};

/// A backend that is ejected from now on, or comes back.
struct Ejection {
  BackendKey backend;
  std::string reason;  ///< empty: it is over
};

class Ejections {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// One ejection is at most so many times as long as the first.
  static constexpr unsigned kMostTimes = 10;
  /// Who stands so long without one begins anew.
  static constexpr std::chrono::minutes kForgiven{10};

  /// Notes signals of backends, in order of time, and says whom they eject, from `now` on. `members_of` says
  /// how many a pool has, by its name.
  using MembersOf = std::function<size_t(const std::string&)>;
  std::vector<Ejection> hear(const Model& model, std::span<const BackendSignal> signals, Time now,
                             const MembersOf& members_of);
  bool has_ejected() const;
  /// Whose time is over, or whose rule is gone.
  std::vector<Ejection> release(const Model& model, Time now);
  /// Forgets who is no member any more.
  void forget_unless(const std::function<bool(const BackendKey&)>& is_member);

 private:
  struct Row {
    std::deque<Time> failures = {};  ///< in a row, as many as the rule asks for at most
    unsigned ejections = 0;          ///< since it last stood kForgiven without one
    Time until = {};                 ///< of the present ejection, or the last one
    bool is_ejected = false;
  };
  size_t ejected_in(const std::string& pool) const;
  static std::chrono::steady_clock::duration eject(Row& row, const OutlierModel& rule, Time now);

  std::map<BackendKey, Row> rows_;
};

}  // namespace sluice::ctrl
