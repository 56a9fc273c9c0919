// A capture: which packets it wants, and the rings by which workers give it copies. Made and read by the
// control thread; between, workers have it as published. A full ring loses a copy, never a packet.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/counter.h"
#include "dataplane/base/cycle_time.h"
#include "dataplane/base/drop_reason.h"
#include "dataplane/base/record_ring.h"
#include "dataplane/tables/packet_filter.h"
#include "lb/backend.h"
#include "lb/service.h"

namespace sluice::dataplane {

/// Where a packet is shown to captures.
enum class CapturePoint : uint8_t {
  kReceived,  ///< as it came in; to a capture of a service once that is known, which is still before any
              ///< change
  kSent,      ///< as it is given to a port
  kDropped,   ///< where it ends, as far as it has come
};

struct CaptureWish {
  static constexpr uint32_t kWhole = 1u << 16;  ///< no frame is longer

  CapturePoint at = CapturePoint::kReceived;
  std::optional<uint8_t> port = {};        ///< it came in by, or leaves by
  lb::ServiceId service = lb::kNoService;  ///< kNoService: any, or none
  DropReason reason = DropReason::kNone;   ///< kNone: any
  std::optional<PacketFilter> filter = {};
  uint32_t snaplen = kWhole;  ///< bytes of a packet that are copied, at most
};

/// What is known of a packet beside its bytes.
struct CaptureNote {
  uint64_t cycles = 0;  ///< TSC, when it was shown
  uint32_t length = 0;  ///< of the whole frame
  lb::ServiceId service = lb::kNoService;
  lb::BackendId backend = lb::kNoBackend;
  uint8_t port = 0;
  DropReason reason = DropReason::kNone;
};

class Capture {
 public:
  /// For each worker: more than 40 ms of a million short packets a second. Not touched before it is needed.
  static constexpr size_t kRingBytes = size_t{4} << 20;

  Capture(CaptureWish wish, unsigned workers);

  const CaptureWish& wish() const { return wish_; }
  /// Copies a frame that begins with `bytes` and is shown at the wished point, if it is wanted. For the
  /// thread of that worker.
  void show(unsigned worker, std::span<const uint8_t> bytes, const CaptureNote& note) const;

  /// Gives copies to take(note, time, bytes), oldest first of each worker, until it answers false: that one
  /// stays. The time is in nanoseconds since 1970. True: there are no more. Control thread.
  template <typename Take>
  bool drain(Take&& take) const {
    for (const auto& lane : lanes_) {
      for (std::span<const uint8_t> record; !(record = lane->ring.front()).empty(); lane->ring.release()) {
        const auto note = load<CaptureNote>(record.data());
        if (!take(note, began_.at(note.cycles), record.subspan(sizeof note))) return false;
      }
    }
    return true;
  }
  /// How many copies found no room. Any thread.
  uint64_t lost() const;

 private:
  struct Lane {
    RecordRing ring{kRingBytes};
    Counter lost;
  };
  bool wants(std::span<const uint8_t> bytes, const CaptureNote& note) const;

  CaptureWish wish_;
  CycleTime began_ = CycleTime::now();
  std::vector<std::unique_ptr<Lane>> lanes_;  ///< by worker
};

/// Those that run, as they are published. At most kMost.
struct Captures {
  static constexpr size_t kMost = 8;
  std::vector<std::shared_ptr<const Capture>> running;
};

}  // namespace sluice::dataplane
