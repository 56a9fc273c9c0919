#include "dataplane/tables/capture.h"

#include <rte_cycles.h>
#include <time.h>

#include <algorithm>
#include <cstring>

namespace sluice::dataplane {

namespace {

uint64_t nanoseconds_since_1970() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

Capture::Capture(CaptureWish wish, unsigned workers)
    : wish_(std::move(wish)), began_ns_(nanoseconds_since_1970()), began_cycles_(rte_rdtsc()) {
  for (unsigned i = 0; i < workers; ++i) lanes_.push_back(std::make_unique<Lane>());
}

uint64_t Capture::time_of(uint64_t cycles) const {
  const auto elapsed = static_cast<double>(static_cast<int64_t>(cycles - began_cycles_));
  return began_ns_ +
         static_cast<uint64_t>(static_cast<int64_t>(elapsed * 1e9 / static_cast<double>(rte_get_tsc_hz())));
}

bool Capture::wants(std::span<const uint8_t> bytes, const CaptureNote& note) const {
  if (wish_.port && *wish_.port != note.port) return false;
  if (wish_.service != lb::kNoService && wish_.service != note.service) return false;
  if (wish_.reason != DropReason::kNone && wish_.reason != note.reason) return false;
  return !wish_.filter || wish_.filter->matches(bytes, note.length);
}

void Capture::show(unsigned worker, std::span<const uint8_t> bytes, const CaptureNote& note) const {
  if (!wants(bytes, note)) return;
  Lane& lane = *lanes_[worker];
  const size_t kept = std::min<size_t>(bytes.size(), wish_.snaplen);
  const std::span<uint8_t> record = lane.ring.reserve(sizeof note + kept);
  if (record.empty()) return lane.lost.add();
  store(record.data(), note);
  std::memcpy(record.data() + sizeof note, bytes.data(), kept);
  lane.ring.commit();
}

uint64_t Capture::lost() const {
  uint64_t sum = 0;
  for (const auto& lane : lanes_) sum += lane->lost.read();
  return sum;
}

}  // namespace sluice::dataplane
