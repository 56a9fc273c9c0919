// The last packets that a worker has dropped, by reason: always on, so that the question why is answered
// after the fact. One per worker, which alone writes it; the control thread reads by RecentDropsRequest,
// which the worker answers. Memory is given once and never grows.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "common/bytes.h"
#include "dataplane/base/drop_detail.h"
#include "dataplane/base/drop_reason.h"
#include "lb/backend.h"
#include "lb/service.h"

namespace sluice::dataplane {

/// What is known of a dropped packet beside its bytes.
struct DropNote {
  DropReason reason = DropReason::kNone;
  DropDetail detail = DropDetail::kNone;
  uint8_t port = 0;
  lb::ServiceId service = lb::kNoService;
  lb::BackendId backend = lb::kNoBackend;
};

/// One dropped packet, in three cache lines. All zeros is a place that was not used yet.
struct alignas(64) DropRecord {
  static constexpr size_t kBytes = 128;

  uint64_t cycles = 0;      ///< TSC, at the beginning of the poll that dropped it
  uint64_t generation = 0;  ///< of the configuration that the worker worked with
  uint64_t number = 0;      ///< of this worker's drops, from 1 on; 0: nothing is recorded here
  DropNote note;
  uint32_t length = 0;  ///< of the whole frame
  uint16_t kept = 0;    ///< of `bytes`
  uint8_t unused[22] = {};
  std::array<uint8_t, kBytes> bytes;  ///< the front of the frame, as far as it had come; `kept` of them count
};
static_assert(sizeof(DropRecord) == 64 + DropRecord::kBytes);

class DropRecorder {
 public:
  static constexpr size_t kEach = 64;  ///< packets of each reason
  static constexpr size_t kRecords = kEach * kDropReasons;

  DropRecorder() = default;
  /// `records` are kRecords, zeroed, and outlive this.
  explicit DropRecorder(std::span<DropRecord> records) : records_(records) {}

  /// Whether anything is recorded.
  bool has_room() const { return !records_.empty(); }
  /// What is the same for all packets of a poll: called once in each.
  void begin_poll(uint64_t cycles, uint64_t generation) {
    cycles_ = cycles;
    generation_ = generation;
  }

  /// A frame that begins with `bytes`, `length` in all.
  void record(std::span<const uint8_t> bytes, uint32_t length, const DropNote& note) {
    if (!has_room()) return;
    const auto reason = static_cast<size_t>(note.reason);
    DropRecord& place = records_[reason * kEach + next_[reason]++ % kEach];
    const size_t kept = std::min(bytes.size(), DropRecord::kBytes);
    place.cycles = cycles_;
    place.generation = generation_;
    place.number = ++recorded_;
    // One by one: of a whole note the compiler makes bytes in memory, and waits for them to read words.
    place.note.reason = note.reason;
    place.note.detail = note.detail;
    place.note.port = note.port;
    place.note.service = note.service;
    place.note.backend = note.backend;
    place.length = length;
    place.kept = static_cast<uint16_t>(kept);
    copy_front(place.bytes.data(), bytes.data(), kept);
  }

  /// The packets of one reason, in no order; those whose number is 0 are none. The worker's thread.
  std::span<const DropRecord> of(DropReason reason) const {
    if (!has_room()) return {};
    return std::span<const DropRecord>(records_).subspan(static_cast<size_t>(reason) * kEach, kEach);
  }

 private:
  using Half [[gnu::vector_size(16)]] = uint8_t;
  using Whole [[gnu::vector_size(32)]] = uint8_t;

  /// Copies from one to two blocks: the first and the last, which may overlap.
  template <typename Block>
  static void copy_ends(uint8_t* to, const uint8_t* from, size_t bytes) {
    const auto first = load<Block>(from), last = load<Block>(from + bytes - sizeof(Block));
    store(to, first);
    store(to + bytes - sizeof(Block), last);
  }
  /// Without a call, which memcpy() of a size that is not known is.
  static void copy_front(uint8_t* to, const uint8_t* from, size_t bytes) {
    constexpr size_t kWhole = sizeof(Whole);
    static_assert(DropRecord::kBytes == 4 * kWhole);
    if (bytes >= 2 * kWhole) {  // two blocks from either end
      const auto second = load<Whole>(from + kWhole), third = load<Whole>(from + bytes - 2 * kWhole);
      copy_ends<Whole>(to, from, bytes);
      store(to + kWhole, second);
      store(to + bytes - 2 * kWhole, third);
    } else if (bytes >= kWhole) {
      copy_ends<Whole>(to, from, bytes);
    } else if (bytes >= sizeof(Half)) {
      copy_ends<Half>(to, from, bytes);
    } else {
      std::copy_n(from, bytes, to);  // not even a header of IP: rare
    }
  }

  std::span<DropRecord> records_{};
  uint64_t cycles_ = 0;
  uint64_t generation_ = 0;
  uint64_t recorded_ = 0;
  std::array<uint8_t, kDropReasons> next_{};  ///< wraps: 256 is a multiple of kEach
};
static_assert(256 % DropRecorder::kEach == 0);

}  // namespace sluice::dataplane
