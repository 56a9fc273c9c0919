// Frames that lie ready as a NIC leaves them, and where a worker's packets go: what its benchmarks have in
// place of a device. EAL must run. Used by one thread.
#pragma once

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/base/burst.h"
#include "perf/traffic.h"
#include "perf/worker_rig.h"

namespace sluice::perf {

inline constexpr unsigned kBuffers = 1024;
inline constexpr size_t kFrame = 128;  ///< room for the smallest frames of either family

/// A device that takes every frame and gives it back here.
class Sink {
 public:
  Sink() : ring_(rte_ring_create("sink", 2 * kBuffers, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ)) {
    const rte_eth_conf configuration{};
    const int made = rte_eth_from_rings("sink", &ring_, 1, &ring_, 1, SOCKET_ID_ANY);
    device_ = static_cast<uint16_t>(made);
    if (made < 0 || rte_eth_dev_configure(device_, 1, 1, &configuration) != 0 ||
        rte_eth_rx_queue_setup(device_, 0, 64, SOCKET_ID_ANY, nullptr, pool()) != 0 ||
        rte_eth_tx_queue_setup(device_, 0, 64, SOCKET_ID_ANY, nullptr) != 0 ||
        rte_eth_dev_start(device_) != 0) {
      give_up("the device that takes frames cannot be made");
    }
  }
  uint16_t device() const { return device_; }
  static rte_mempool* pool() {
    static rte_mempool* const made = make_pool(2 * kBuffers, 2048, 0);
    return made;
  }
  size_t take(std::span<rte_mbuf*> packets) {
    return rte_ring_dequeue_burst(ring_, reinterpret_cast<void**>(packets.data()),
                                  static_cast<unsigned>(packets.size()), nullptr);
  }

 private:
  rte_ring* ring_;
  uint16_t device_ = 0;
};

inline Sink& sink() {
  static Sink one;
  return one;
}

using Frames = std::vector<std::array<uint8_t, kFrame>>;

inline std::shared_ptr<const Frames> make_frames(const Traffic& traffic, const std::vector<uint32_t>& flows) {
  auto frames = std::make_shared<Frames>(flows.size());
  for (size_t i = 0; i < flows.size(); ++i)
    std::ranges::copy(make_frame(traffic, flows[i]), (*frames)[i].begin());
  return frames;
}

/// Of all its flows, shuffled. Kept for the next repetition: millions take seconds to make.
inline std::shared_ptr<const Frames> frames_of(const Traffic& traffic) {
  static std::map<Traffic, std::shared_ptr<const Frames>> kept;
  std::shared_ptr<const Frames>& frames = kept[traffic];
  if (frames == nullptr) frames = make_frames(traffic, shuffled_flows(traffic));
  return frames;
}

/// Buffers that are filled with the traffic's frames again and again, as a device does it.
class Source {
 public:
  explicit Source(const Traffic& traffic) : Source(traffic, frames_of(traffic)) {}
  Source(const Traffic& traffic, std::shared_ptr<const Frames> frames)
      : frames_(std::move(frames)), size_(static_cast<uint16_t>(make_frame(traffic, 0).size())) {
    if (rte_pktmbuf_alloc_bulk(Sink::pool(), buffers_.data(), kBuffers) != 0)
      give_up("no buffers for one source more");
  }
  ~Source() { rte_pktmbuf_free_bulk(buffers_.data(), kBuffers); }

  /// The next burst; the one of kBuffers packets ago must be done with.
  std::span<rte_mbuf*> fill() {
    const std::span<rte_mbuf*> burst(buffers_.data() + next_buffer_, dataplane::kBurst);
    for (rte_mbuf* packet : burst) {
      packet->data_off = RTE_PKTMBUF_HEADROOM;
      packet->data_len = size_;
      packet->pkt_len = size_;
      std::memcpy(rte_pktmbuf_mtod(packet, void*), (*frames_)[next_frame_].data(), kFrame);
      next_frame_ = next_frame_ + 1 < frames_->size() ? next_frame_ + 1 : 0;
    }
    next_buffer_ = (next_buffer_ + dataplane::kBurst) % kBuffers;
    return burst;
  }

 private:
  std::shared_ptr<const Frames> frames_;
  std::array<rte_mbuf*, kBuffers> buffers_;
  uint16_t size_;
  size_t next_frame_ = 0;
  size_t next_buffer_ = 0;
};

}  // namespace sluice::perf
