#include "dataplane/tables/drop_recorder.h"

#include <algorithm>
#include <cstring>

namespace sluice::dataplane {
namespace {

/// Copies from kSize to 2 * kSize bytes: the first kSize and the last ones, which may overlap.
template <size_t kSize>
void copy_ends(uint8_t* to, const uint8_t* from, size_t bytes) {
  std::memcpy(to, from, kSize);
  std::memcpy(to + bytes - kSize, from + bytes - kSize, kSize);
}

/// memcpy() of a size that is not known is a call, which takes longer than all the rest of a record.
void copy_front(uint8_t* to, const uint8_t* from, size_t bytes) {
  static_assert(DropRecord::kBytes == 128);
  if (bytes >= 64) return copy_ends<64>(to, from, bytes);
  if (bytes >= 32) return copy_ends<32>(to, from, bytes);
  if (bytes >= 16) return copy_ends<16>(to, from, bytes);
  std::copy_n(from, bytes, to);  // not even a header of IP: rare
}

}  // namespace

void DropRecorder::record(std::span<const uint8_t> bytes, uint32_t length, DropNote note) {
  if (!has_room()) return;
  const auto reason = static_cast<size_t>(note.reason);
  DropRecord& place = records_[reason * kEach + next_[reason]++ % kEach];
  const size_t kept = std::min(bytes.size(), DropRecord::kBytes);
  place.cycles = cycles_;
  place.generation = generation_;
  place.number = ++recorded_;
  place.note = note;
  place.length = length;
  place.kept = static_cast<uint16_t>(kept);
  copy_front(place.bytes.data(), bytes.data(), kept);
}

}  // namespace sluice::dataplane
