// What happened in a simulated world: a hash over all of it, by which two runs are compared, the last lines
// of its log, and the frames of its wires for a capture. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/frame.h"
#include "sim/core/simulated_gateway.h"

namespace sluice::sim {

/// An invariant that did not hold; ends the world.
struct Violation {
  std::string what;
};

class Trace {
 public:
  /// A line of the log, at that time.
  void say(Nanoseconds now, std::string line);
  /// A frame that a port of the gateway received or sent.
  void show(Nanoseconds now, unsigned port, bool is_received, FrameBytes frame);
  void mix(uint64_t value);

  uint64_t hash() const { return hash_; }
  uint64_t frames() const { return frames_; }
  const std::deque<std::string>& lines() const { return lines_; }
  /// The last frames as a pcap.
  void write_capture(const std::string& path) const;

 private:
  static constexpr size_t kLines = 400, kFrames = 20'000;
  struct Seen {
    Nanoseconds when;
    Frame bytes;
  };
  uint64_t hash_ = 0xcbf29ce484222325;
  uint64_t frames_ = 0;
  std::deque<std::string> lines_;
  std::deque<Seen> seen_;
};

}  // namespace sluice::sim
