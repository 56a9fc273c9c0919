// Keeps lines that say the same again and again from filling the log. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::ctrl {

/// The same line is written kBurst times in kInterval; beyond that it is counted, and how often it came is
/// told once the interval is over. Bounded: it remembers kMostLines, none longer than kLongest; others are
/// always written.
class RepeatFilter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kInterval{10};
  static constexpr uint64_t kBurst = 5;
  static constexpr size_t kMostLines = 256;
  static constexpr size_t kLongest = 1024;

  /// A line that came more often than it was written.
  struct Repeated {
    std::string text;
    int tag = 0;
    uint64_t left_out = 0;
  };

  /// Whether to write a line. `tag`: what tells lines of the same text apart, and comes back with it.
  bool take(std::string_view text, int tag, Time now);
  /// What was left out of lines whose interval is over, or of all of them, since the last call.
  std::vector<Repeated> settle(Time now, bool all = false);
  /// Lines that were left out, ever.
  uint64_t left_out() const { return left_out_; }

 private:
  struct Line {
    std::string text;
    int tag = 0;
    Time first;
    uint64_t times = 0;
  };
  void forget_oldest();

  std::deque<Line> lines_;  ///< by `first`, oldest first
  std::vector<Repeated> over_;
  uint64_t left_out_ = 0;
};

}  // namespace sluice::ctrl
