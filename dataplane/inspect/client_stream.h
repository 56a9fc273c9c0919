// The first bytes that a TCP client sends, put into order: which segment has the next ones, which is early,
// which says something else than what was said at the same place. So what is scanned is what a receiver gets,
// however the client cuts, repeats and mixes it. Knows neither packets nor rules. One worker's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/inspect/held_segments.h"
#include "dataplane/inspect/keep_bytes.h"

namespace sluice::dataplane {

/// A segment of the client's.
struct StreamSegment {
  uint32_t sequence = 0;  ///< of its first byte; of a SYN's, the number after the SYN
  std::span<const uint8_t> payload = {};
  bool has_fin = false;
};

class ClientStream {
 public:
  enum class Place : uint8_t {
    kPasses,       ///< nothing in it is new, or what is lies beyond the first bytes
    kNext,         ///< it has the next bytes, or the end
    kEarly,        ///< there is a gap before it
    kHeldAlready,  ///< the same, and one that is held has all of it
    kContradicts,  ///< other bytes than those at the same places, or another end
    kProbe,        ///< one old byte, which may be anything (RFC 1122, 4.2.3.6): it is to be what it was
  };
  static constexpr uint32_t kNoEnd = UINT32_MAX;

  /// `bytes` has room for as many as are looked at, at least one, and outlives this.
  void begin(uint32_t first_sequence, std::span<uint8_t> bytes);

  /// Where a segment belongs. Nothing changes.
  Place place(const StreamSegment& segment, const HeldSegments& held) const;
  /// What is new in a segment that is kNext: nothing, where it only has the end.
  std::span<const uint8_t> new_bytes(const StreamSegment& segment) const;
  /// A segment that is kNext is sent on.
  void pass(const StreamSegment& segment);
  /// What an old byte at the segment's place was.
  uint8_t byte_at(uint32_t sequence) const { return bytes_[sequence - first_]; }

  /// Keeps a segment that is kEarly, where there is room for it.
  void hold(const StreamSegment& segment, HeldSegments& held, HeldSegments::Segment waiting);
  /// One that has waited, and is early no more; or kNone.
  HeldSegments::Index next_held(const HeldSegments& held) const;
  StreamSegment segment_of(const HeldSegments::Segment& waiting) const {
    return {first_ + waiting.offset, {waiting.bytes, waiting.size}, waiting.has_fin};
  }
  /// Gives one up, or takes it to send it on.
  rte_mbuf* release(HeldSegments& held, HeldSegments::Index index);
  /// Has the CPU fetch where the next bytes will be kept, so many of them.
  [[gnu::always_inline]] void prefetch_next(size_t size) const {
    prefetch_kept(bytes_.data() + passed_, std::min<size_t>(size, limit() - passed_));
  }
  HeldSegments::Index first_held() const { return held_; }
  unsigned held_count() const { return held_count_; }

  /// Whether all that is looked at has passed.
  bool is_complete() const { return passed_ == bytes_.size() || passed_ == end_; }
  /// Whether the client has sent its last byte, as far as it has passed.
  bool is_ended() const { return passed_ == end_; }
  /// Whether a receiver that acknowledges this number has all that was looked at.
  bool is_acknowledged(uint32_t acknowledgment) const;
  uint32_t first_sequence() const { return first_; }
  /// The number of the first byte that has not passed.
  uint32_t next_sequence() const { return first_ + passed_; }
  uint32_t passed() const { return passed_; }

 private:
  struct Range {
    int64_t start, stop;  ///< offsets
  };
  Range range_of(const StreamSegment& segment) const;
  /// Whether the next bytes are in a segment that nothing can contradict, and all of them are looked at.
  bool is_plainly_next(const StreamSegment& segment) const {
    const size_t size = segment.payload.size();
    return segment.sequence == next_sequence() && size != 0 && size <= limit() - passed_ &&
           !segment.has_fin && end_ == kNoEnd && held_ == HeldSegments::kNone;
  }
  uint32_t limit() const { return static_cast<uint32_t>(bytes_.size()); }
  bool contradicts_end(const StreamSegment& segment, const Range& range, const HeldSegments& held) const;
  bool contradicts_bytes(const StreamSegment& segment, const Range& range, const HeldSegments& held) const;

  std::span<uint8_t> bytes_;  ///< those that have passed
  uint32_t first_ = 0;        ///< the sequence number of the first byte
  uint32_t passed_ = 0;       ///< how many have passed in order
  uint32_t end_ = kNoEnd;     ///< the offset of the FIN, where one is known and not beyond the first bytes
  HeldSegments::Index held_ = HeldSegments::kNone;
  uint16_t held_count_ = 0;
};

}  // namespace sluice::dataplane
