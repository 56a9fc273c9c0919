// What a worker shows to the captures that run. One per worker, which alone calls it. While none runs, any()
// is 0, and nobody calls anything else.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <span>

#include "dataplane/base/packet.h"
#include "dataplane/base/stage_mask.h"
#include "dataplane/tables/capture.h"
#include "dataplane/tables/drop_recorder.h"
#include "dataplane/tables/tables.h"

namespace sluice::dataplane {

class PacketWatch {
 public:
  explicit PacketWatch(unsigned worker) : worker_(worker) {}
  PacketWatch(const PacketWatch&) = delete;

  /// Those that run from now on; null: none. They stay until the next call.
  void adopt(const Captures* captures);

  /// Has the packets of every flow be counted for it from now on, or no longer.
  void account(bool is_wanted) { flows_ = is_wanted ? stage::kAccount : 0; }

  /// Every stage that any packet must see.
  StageMask any() const { return any_ | flows_; }
  /// What a burst received at a port must see, whatever is in it.
  StageMask of_port(size_t port) const { return ports_[port]; }
  /// What the packets of a service's flows must see.
  StageMask of_service(lb::ServiceId service) const;

  /// Frames as they came in at `port`.
  void received(std::span<rte_mbuf* const> frames, uint8_t port) const;
  /// A frame as it came in, whose service is known now.
  void received(const rte_mbuf& frame, uint8_t port, lb::ServiceId service, lb::BackendId backend) const;
  /// A frame that is given to `port`; kNoService and kNoBackend: it is no service's.
  void sent(const rte_mbuf& frame, uint16_t port, lb::ServiceId service, lb::BackendId backend) const;
  /// A packet that ends here, as it was parsed: a frame, or a bare packet, in front of which an Ethernet
  /// header of zeros may be written.
  void dropped(rte_mbuf* packet, DropReason reason) const;
  /// A frame that ends here, and of which nothing is known but this.
  void dropped_frame(const rte_mbuf& frame, const DropNote& note) const;

 private:
  void show(CapturePoint at, std::span<const uint8_t> bytes, const CaptureNote& note) const;

  unsigned worker_;
  const Captures* captures_ = nullptr;
  StageMask any_ = 0;
  StageMask flows_ = 0;  ///< what packets of every flow must see
  std::array<StageMask, kMaxPorts> ports_{};
};

}  // namespace sluice::dataplane
