#include "dataplane/inspect/client_stream.h"

#include <algorithm>
#include <cstring>

namespace sluice::dataplane {
namespace {

using Index = HeldSegments::Index;

}  // namespace

void ClientStream::begin(uint32_t first_sequence, std::span<uint8_t> bytes) {
  *this = {};
  bytes_ = bytes;
  first_ = first_sequence;
}

/// Sequence numbers wrap: those of half of all that lie behind the first byte are after it (RFC 9293, 3.4).
ClientStream::Range ClientStream::range_of(const StreamSegment& segment) const {
  const int64_t start = static_cast<int32_t>(segment.sequence - first_);
  return {start, start + static_cast<int64_t>(segment.payload.size())};
}

/// A stream has one end, and nothing behind it.
bool ClientStream::contradicts_end(const StreamSegment& segment, const Range& range,
                                   const HeldSegments& held) const {
  if (end_ != kNoEnd) return range.stop > end_ || (segment.has_fin && range.stop != end_);
  if (!segment.has_fin || range.stop > limit()) return false;
  if (range.stop < passed_) return true;
  for (Index index = held_; index != HeldSegments::kNone; index = held[index].next) {
    if (held[index].end() > range.stop) return true;
  }
  return false;
}

bool ClientStream::contradicts_bytes(const StreamSegment& segment, const Range& range,
                                     const HeldSegments& held) const {
  const auto differs = [&](int64_t start, int64_t stop, const uint8_t* bytes) {
    const int64_t from = std::max({range.start, start, int64_t{0}});
    const int64_t to = std::min({range.stop, stop, int64_t{limit()}});
    return from < to && std::memcmp(segment.payload.data() + (from - range.start), bytes + (from - start),
                                    static_cast<size_t>(to - from)) != 0;
  };
  if (differs(0, passed_, bytes_.data())) return true;
  for (Index index = held_; index != HeldSegments::kNone; index = held[index].next) {
    if (differs(held[index].offset, held[index].end(), held[index].bytes)) return true;
  }
  return false;
}

ClientStream::Place ClientStream::place(const StreamSegment& segment, const HeldSegments& held) const {
  if (is_plainly_next(segment)) [[likely]]
    return Place::kNext;
  const Range range = range_of(segment);
  if (segment.payload.empty() && !segment.has_fin) return Place::kPasses;
  if (range.stop < 0 || (range.stop == 0 && !segment.has_fin))
    return Place::kPasses;  // before the first byte
  if (contradicts_end(segment, range, held)) return Place::kContradicts;
  if (range.start >= limit()) return Place::kPasses;
  if (contradicts_bytes(segment, range, held)) {
    const bool is_last_byte = segment.payload.size() == 1 && range.stop == passed_ && !segment.has_fin;
    return is_last_byte ? Place::kProbe : Place::kContradicts;
  }
  if (range.start <= passed_) {
    const bool has_new = std::min(range.stop, int64_t{limit()}) > passed_;
    const bool ends_here = segment.has_fin && range.stop == passed_ && end_ == kNoEnd;
    return has_new || ends_here ? Place::kNext : Place::kPasses;
  }
  for (Index index = held_; index != HeldSegments::kNone; index = held[index].next) {
    const HeldSegments::Segment& other = held[index];
    const bool has_all = other.offset <= range.start && range.stop <= other.end();
    if (has_all && (other.has_fin || !segment.has_fin)) return Place::kHeldAlready;
  }
  return Place::kEarly;
}

std::span<const uint8_t> ClientStream::new_bytes(const StreamSegment& segment) const {
  if (is_plainly_next(segment)) [[likely]]
    return segment.payload;
  const Range range = range_of(segment);
  const int64_t stop = std::min(range.stop, int64_t{limit()});
  if (stop <= passed_) return {};
  return segment.payload.subspan(static_cast<size_t>(passed_ - range.start),
                                 static_cast<size_t>(stop - passed_));
}

void ClientStream::pass(const StreamSegment& segment) {
  const std::span<const uint8_t> bytes = new_bytes(segment);
  keep_bytes(bytes_.data() + passed_, bytes.data(), bytes.size());
  passed_ += static_cast<uint32_t>(bytes.size());
  const Range range = range_of(segment);
  if (segment.has_fin && range.stop == passed_) end_ = passed_;
}

void ClientStream::hold(const StreamSegment& segment, HeldSegments& held, HeldSegments::Segment waiting) {
  const Range range = range_of(segment);
  waiting.bytes = segment.payload.data();
  waiting.offset = static_cast<uint32_t>(range.start);
  waiting.size = static_cast<uint32_t>(segment.payload.size());
  waiting.has_fin = segment.has_fin;
  held.add(held_, waiting);
  ++held_count_;
  if (segment.has_fin && range.stop <= limit()) end_ = static_cast<uint32_t>(range.stop);
}

HeldSegments::Index ClientStream::next_held(const HeldSegments& held) const {
  return held_ != HeldSegments::kNone && held[held_].offset <= passed_ ? held_ : HeldSegments::kNone;
}

rte_mbuf* ClientStream::release(HeldSegments& held, Index index) {
  const HeldSegments::Segment released = held[index];
  rte_mbuf* const packet = held.remove(held_, index);
  --held_count_;
  const bool had_end = released.has_fin && released.end() == end_ && passed_ != end_;
  if (!had_end) return packet;
  const auto has_end = [&](Index other) { return held[other].has_fin && held[other].end() == end_; };
  for (Index other = held_; other != HeldSegments::kNone; other = held[other].next) {
    if (has_end(other)) return packet;
  }
  end_ = kNoEnd;
  return packet;
}

bool ClientStream::is_acknowledged(uint32_t acknowledgment) const {
  const uint32_t wanted = passed_ + (is_ended() ? 1 : 0);
  return static_cast<int32_t>(acknowledgment - first_ - wanted) >= 0;
}

}  // namespace sluice::dataplane
