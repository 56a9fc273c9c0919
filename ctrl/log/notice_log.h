// Writes what workers notice into the log: neighbors that moved, addresses that others claim. Control thread.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "dataplane/tables/notice.h"

namespace sluice::ctrl {

/// Every worker notices the same by itself: a line is written once. At most kMostLines in kInterval, which
/// anybody on a link could otherwise make endless; then how many were left out.
class NoticeLog {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kInterval{10};
  static constexpr size_t kMostLines = 20;

  /// `write` gets the lines.
  explicit NoticeLog(std::function<void(const std::string&)> write) : write_(std::move(write)) {}

  void add(const dataplane::Notice& notice, std::string_view port, Time now);
  /// Says what was left out once the interval is over. From the control tick.
  void tick(Time now);

 private:
  struct Line {
    dataplane::Notice notice;
    Time written;
  };
  std::function<void(const std::string&)> write_;
  std::deque<Line> lines_;  ///< of the last interval, oldest first
  size_t left_out_ = 0;
};

}  // namespace sluice::ctrl
