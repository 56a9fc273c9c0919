#include "sim/core/ring_device.h"

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::sim {
namespace {

Result<rte_ring*> make_ring(const std::string& name) {
  rte_ring* const ring = rte_ring_create(name.c_str(), 2 * RingDevice::kDescriptors, SOCKET_ID_ANY,
                                         RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (ring == nullptr) return fail("no memory for ring " + name + ": " + rte_strerror(rte_errno));
  return ring;
}

/// The frame in buffers, several where it is larger than one; null where the pool is empty.
rte_mbuf* to_buffers(const Frame& frame, rte_mempool* pool) {
  rte_mbuf* first = nullptr;
  size_t at = 0;
  do {
    rte_mbuf* const buffer = rte_pktmbuf_alloc(pool);
    if (buffer == nullptr || (first != nullptr && rte_pktmbuf_chain(first, buffer) != 0)) {
      rte_pktmbuf_free(buffer);
      rte_pktmbuf_free(first);
      return nullptr;
    }
    if (first == nullptr) first = buffer;
    const size_t count = std::min<size_t>(frame.size() - at, rte_pktmbuf_tailroom(buffer));
    std::memcpy(rte_pktmbuf_mtod(buffer, void*), frame.data() + at, count);
    buffer->data_len = static_cast<uint16_t>(count);
    if (buffer != first)
      first->pkt_len += static_cast<uint32_t>(count);
    else
      first->pkt_len = static_cast<uint32_t>(count);
    at += count;
  } while (at < frame.size());
  return first;
}

Frame to_frame(const rte_mbuf* buffer) {
  Frame frame;
  frame.reserve(buffer->pkt_len);
  for (; buffer != nullptr; buffer = buffer->next) {
    const auto* const data = rte_pktmbuf_mtod(buffer, const uint8_t*);
    frame.insert(frame.end(), data, data + buffer->data_len);
  }
  return frame;
}

}  // namespace

Result<std::unique_ptr<RingDevice>> RingDevice::create(const std::string& name, unsigned rx_queues,
                                                       unsigned tx_queues, rte_mempool* pool) {
  std::unique_ptr<RingDevice> device(new RingDevice);
  device->pool_ = pool;
  std::vector<rte_ring*> received;
  for (unsigned queue = 0; queue < rx_queues; ++queue) {
    const auto ring = make_ring(name + "_rx" + std::to_string(queue));
    if (!ring) return tl::unexpected(ring.error());
    device->rx_.push_back({*ring, {}});
    received.push_back(*ring);
  }
  for (unsigned queue = 0; queue < tx_queues; ++queue) {
    const auto ring = make_ring(name + "_tx" + std::to_string(queue));
    if (!ring) return tl::unexpected(ring.error());
    device->tx_.push_back(*ring);
  }
  const int port_id = rte_eth_from_rings(name.c_str(), received.data(), rx_queues, device->tx_.data(),
                                         tx_queues, static_cast<unsigned>(SOCKET_ID_ANY));
  if (port_id < 0) return fail("DPDK's ring driver makes no device: " + std::string(rte_strerror(rte_errno)));
  device->port_id_ = static_cast<uint16_t>(port_id);
  return device;
}

RingDevice::~RingDevice() {
  const auto free_ring = [](rte_ring* ring) {
    for (void* buffer = nullptr; rte_ring_dequeue(ring, &buffer) == 0;)
      rte_pktmbuf_free(static_cast<rte_mbuf*>(buffer));
    rte_ring_free(ring);
  };
  for (const Queue& queue : rx_) free_ring(queue.ring);
  for (rte_ring* const ring : tx_) free_ring(ring);
}

void RingDevice::arrive(unsigned queue, Frame frame) {
  rx_[queue].outside.push_back(std::move(frame));
}

void RingDevice::refill() {
  for (Queue& queue : rx_) {
    while (!queue.outside.empty() && rte_ring_count(queue.ring) < kDescriptors) {
      rte_mbuf* const buffers = to_buffers(queue.outside.front(), pool_);
      if (buffers == nullptr) return;  // the gateway will give some back
      rte_ring_enqueue(queue.ring, buffers);
      queue.outside.pop_front();
    }
  }
}

bool RingDevice::has_waiting() const {
  return std::any_of(rx_.begin(), rx_.end(), [](const Queue& queue) {
    return !queue.outside.empty() || rte_ring_count(queue.ring) > 0;
  });
}

void RingDevice::take_sent(const std::function<void(Frame)>& take) {
  std::array<void*, 64> buffers;
  for (rte_ring* const ring : tx_) {
    for (unsigned count;
         (count = rte_ring_dequeue_burst(ring, buffers.data(), buffers.size(), nullptr)) > 0;) {
      for (unsigned i = 0; i < count; ++i) {
        auto* const buffer = static_cast<rte_mbuf*>(buffers[i]);
        take(to_frame(buffer));
        rte_pktmbuf_free(buffer);
      }
    }
  }
}

void RingDevice::set_link(bool is_up) {
  is_up ? rte_eth_dev_set_link_up(port_id_) : rte_eth_dev_set_link_down(port_id_);
}

}  // namespace sluice::sim
