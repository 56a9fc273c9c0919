#include "sim/world/trace.h"

#include <array>
#include <cstdio>
#include <cstring>

#include "sim/replay/capture_file.h"

namespace sluice::sim {

void Trace::mix(uint64_t value) {
  hash_ = (hash_ ^ value) * 0x100000001b3;
  hash_ ^= hash_ >> 29;
}

void Trace::say(Nanoseconds now, std::string line) {
  std::array<char, 32> time;
  std::snprintf(time.data(), time.size(), "%12.6f ", static_cast<double>(now) / 1e9);
  mix(now);
  for (const char letter : line) mix(static_cast<uint8_t>(letter));
  lines_.push_back(time.data() + std::move(line));
  if (lines_.size() > kLines) lines_.pop_front();
}

void Trace::show(Nanoseconds now, unsigned port, bool is_received, FrameBytes frame) {
  ++frames_;
  mix(now);
  mix(port << 1 | (is_received ? 1u : 0u));
  size_t at = 0;
  for (; at + 8 <= frame.size(); at += 8) mix(load<uint64_t>(&frame[at]));
  for (; at < frame.size(); ++at) mix(frame[at]);
  seen_.push_back({now, Frame(frame.begin(), frame.end())});
  if (seen_.size() > kFrames) seen_.pop_front();
}

void Trace::write_capture(const std::string& path) const {
  auto writer = CaptureWriter::open(path);
  if (!writer) return;
  for (const Seen& frame : seen_) writer->write(frame.when, frame.bytes);
  (void)writer->finish();
}

}  // namespace sluice::sim
