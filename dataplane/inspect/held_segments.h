// Segments that wait for the gap before them in their stream to fill: so many for a worker and no more. Each
// is in two lists: its stream's, by offset, and that of all, by age. One worker's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

struct rte_mbuf;

namespace sluice::dataplane {

class HeldSegments {
 public:
  using Index = uint16_t;
  static constexpr Index kNone = UINT16_MAX;
  static constexpr size_t kMost = 512;  ///< of all streams of a worker: packet buffers are set aside for them
  static constexpr unsigned kMostOfStream = 64;  ///< so that one stream cannot have them all

  struct Segment {
    rte_mbuf* packet = nullptr;
    const uint8_t* bytes = nullptr;  ///< the payload, in the packet
    uint32_t offset = 0;             ///< in the stream
    uint32_t size = 0;
    uint32_t since_ms = 0;
    uint32_t stream = 0;  ///< whose it is
    bool has_fin = false;
    Index next = kNone;  ///< of its stream
    Index older = kNone, newer = kNone;

    uint32_t end() const { return offset + size; }
  };

  HeldSegments() {
    for (size_t i = 0; i < kMost; ++i) segments_[i].next = static_cast<Index>(i + 1 < kMost ? i + 1 : kNone);
  }

  const Segment& operator[](Index index) const { return segments_[index]; }
  bool is_full() const { return free_ == kNone; }
  /// The one that has waited longest, or kNone.
  Index oldest() const { return oldest_; }

  /// Adds a segment to its stream's list, behind those that begin no later. There is room.
  void add(Index& first, const Segment& segment) {
    const Index index = free_;
    Segment& added = segments_[index];
    free_ = added.next;
    added = segment;
    Index* place = &first;
    while (*place != kNone && segments_[*place].offset <= segment.offset) place = &segments_[*place].next;
    added.next = *place;
    *place = index;
    added.older = newest_;
    (newest_ != kNone ? segments_[newest_].newer : oldest_) = index;
    newest_ = index;
  }
  /// Takes one out of its stream's list, which begins with `first`, and answers its packet.
  rte_mbuf* remove(Index& first, Index index) {
    Index* place = &first;
    while (*place != index) place = &segments_[*place].next;
    Segment& removed = segments_[index];
    *place = removed.next;
    (removed.older != kNone ? segments_[removed.older].newer : oldest_) = removed.newer;
    (removed.newer != kNone ? segments_[removed.newer].older : newest_) = removed.older;
    removed.next = free_;
    free_ = index;
    return removed.packet;
  }

 private:
  std::array<Segment, kMost> segments_;
  Index free_ = 0;
  Index oldest_ = kNone, newest_ = kNone;
};

}  // namespace sluice::dataplane
