// The last packets that a worker has dropped, by reason: always on, so that the question why is answered
// after the fact. One per worker, which alone writes it; the control thread reads by RecentDropsRequest,
// which the worker answers. Memory is given once and never grows.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/base/drop_detail.h"
#include "dataplane/base/drop_reason.h"
#include "lb/backend.h"
#include "lb/service.h"

namespace sluice::dataplane {

/// What is known of a dropped packet beside its bytes. Small enough to be handed over in two registers.
struct DropNote {
  DropReason reason = DropReason::kNone;
  DropDetail detail = DropDetail::kNone;
  uint8_t port = 0;
  lb::ServiceId service = lb::kNoService;
  lb::BackendId backend = lb::kNoBackend;
};
static_assert(sizeof(DropNote) <= 16);

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
  void record(std::span<const uint8_t> bytes, uint32_t length, DropNote note);

  /// The packets of one reason, in no order; those whose number is 0 are none. The worker's thread.
  std::span<const DropRecord> of(DropReason reason) const {
    if (!has_room()) return {};
    return std::span<const DropRecord>(records_).subspan(static_cast<size_t>(reason) * kEach, kEach);
  }

 private:
  std::span<DropRecord> records_{};
  uint64_t cycles_ = 0;
  uint64_t generation_ = 0;
  uint64_t recorded_ = 0;
  std::array<uint8_t, kDropReasons> next_{};  ///< wraps: 256 is a multiple of kEach
};
static_assert(256 % DropRecorder::kEach == 0);

}  // namespace sluice::dataplane
