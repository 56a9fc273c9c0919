// What has changed, and how far each change has come: seen, compiled, published, on every worker, first flow.
// Any thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/histogram.h"
#include "lb/backend.h"

namespace sluice::ctrl {

class OpenSpan;

enum class ChangeCause : uint8_t { kConfig, kSource, kHealth, kEjection, kOperator };
inline constexpr std::array<std::string_view, 5> kChangeCauses = {"config", "source", "health", "ejection",
                                                                  "operator"};

/// Why something is about to be published.
struct Cause {
  ChangeCause cause;
  std::string object;  ///< "pool/web", "config/7", "backend/web/192.0.2.1:80"
  std::chrono::system_clock::time_point seen;
  std::shared_ptr<OpenSpan> span = {};  ///< that tells of it; null: none does
};

/// One for each publication and cause.
struct Change {
  using Time = std::chrono::system_clock::time_point;
  uint64_t id;
  ChangeCause cause;
  std::string object;
  Time seen;
  Time compiled;
  Time published;
  std::optional<Time> everywhere = {};  ///< every worker works with it
  std::optional<Time> first_flow = {};  ///< to a backend that it added
};

class ChangeLog {
 public:
  using Time = Change::Time;
  static constexpr size_t kKept = 1000;

  ChangeLog();

  /// `added`: backends that were given a number.
  struct Publication {
    std::vector<Cause> causes;
    Time compiled;
    Time published;
    std::vector<lb::BackendId> added;
  };
  /// `flows_of`: how many flows a backend has ever begun.
  using FlowsOf = std::function<uint64_t(lb::BackendId)>;
  void add(Publication publication, const FlowsOf& flows_of);
  /// Every worker works with all that was added by now.
  void settle(Time now);
  /// Looks for first flows. Often; costs nothing where none is waited for.
  void watch_flows(Time now, const FlowsOf& flows_of);

  /// Newest first.
  std::vector<Change> list(size_t limit, std::optional<ChangeCause> cause) const;
  /// From seen to everywhere, in nanoseconds.
  HistogramReading seconds(ChangeCause cause) const;

 private:
  /// Bounds on what is looked at for first flows.
  static constexpr size_t kMostWatched = 64;
  static constexpr std::chrono::seconds kWatch{60};
  struct Watch {
    uint64_t change;
    Time published;
    std::vector<std::pair<lb::BackendId, uint64_t>> flows;  ///< that there were when it was published
  };

  mutable std::mutex mutex_;
  uint64_t next_id_ = 1;
  size_t unsettled_ = 0;  ///< the last so many of `changes_`
  std::deque<Change> changes_;
  std::deque<Watch> watches_;
  std::array<Histogram, kChangeCauses.size()> nanoseconds_;
};

}  // namespace sluice::ctrl
