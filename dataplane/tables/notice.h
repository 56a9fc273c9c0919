// What a worker has to tell the operator: small values that go to the control thread, which writes the log.
// A worker never waits for that: what does not fit is counted.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "common/address.h"
#include "common/counter.h"
#include "common/spsc_ring.h"
#include "dataplane/tables/port_view.h"

namespace sluice::dataplane {

enum class NoticeKind : uint8_t {
  kNeighborChanged,    ///< `address` has moved from MAC address `before` to `now`
  kNeighborContested,  ///< somebody said that `address` is elsewhere; `now` has answered that it is there
  kAddressConflict,    ///< `address`, which is ours, is claimed by `now`
};
inline constexpr size_t kNoticeKinds = 3;

struct Notice {
  NoticeKind kind{};
  uint8_t port = 0;
  IpAddress address;
  MacAddress before;
  MacAddress now;
};

/// One worker's notices. Events are counted one by one; a notice may stand for many of them.
class Notices {
 public:
  static constexpr size_t kRing = 256;  ///< notices that may wait

  /// The worker.
  void count(NoticeKind kind, uint16_t port) { counts_[static_cast<size_t>(kind)][port].add(); }
  void post(const Notice& notice) {
    if (!ring_.push(notice)) lost_.add();
  }

  /// The control thread: fills `notices` from the front; returns how many there were.
  size_t take(std::span<Notice> notices) { return ring_.pop(notices); }
  /// Any thread.
  uint64_t counted(NoticeKind kind, size_t port) const {
    return counts_[static_cast<size_t>(kind)][port].read();
  }
  uint64_t lost() const { return lost_.read(); }

 private:
  SpscRing<Notice> ring_{kRing};
  std::array<std::array<Counter, kMaxPorts>, kNoticeKinds> counts_;
  Counter lost_;
};

}  // namespace sluice::dataplane
