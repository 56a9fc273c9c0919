// Whoever fails too often is not listened to for a while. Bounded; one thread, time is an argument.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

namespace sluice::ctrl {

class FailureLimiter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr size_t kMostFailures = 100;
  static constexpr std::chrono::seconds kWithin{10};
  static constexpr std::chrono::seconds kPause{10};
  /// Sources that are remembered; one more takes the place of the one that failed longest ago and is not
  /// paused, if there is any.
  static constexpr size_t kMostSources = 4096;

  bool is_paused(std::string_view source, Time now) const;
  void note_failure(std::string_view source, Time now);
  size_t sources() const { return sources_.size(); }

 private:
  struct Source {
    std::deque<Time> failures;  ///< of the last kWithin
    Time paused_until{};
  };
  bool make_room(Time now);

  std::unordered_map<std::string, Source> sources_;
};

/// What a peer's address counts as: itself, or its /64, of which whoever has one IPv6 address has all.
std::string source_of(std::string_view address_and_port);

}  // namespace sluice::ctrl
