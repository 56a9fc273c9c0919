#include "dataplane/tables/capture.h"

#include <algorithm>
#include <cstring>

namespace sluice::dataplane {

Capture::Capture(CaptureWish wish, unsigned workers) : wish_(std::move(wish)) {
  for (unsigned i = 0; i < workers; ++i) lanes_.push_back(std::make_unique<Lane>());
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
