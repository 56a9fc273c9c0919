#include "dataplane/device/transmit.h"

#include <rte_ethdev.h>

#include <bit>

#include "dataplane/base/packet.h"

namespace sluice::dataplane {

Transmit::Transmit(std::span<const TransmitDevice> devices, std::span<const TransmitDevice> taps,
                   uint16_t queue, SpscRing<rte_mbuf*>* to_transmit, Drops& drops, WorkerStats& stats)
    : queue_(queue), to_transmit_(to_transmit), drops_(drops), stats_(stats) {
  for (size_t port = 0; port < devices.size(); ++port) buffers_[port].target = devices[port];
  for (size_t port = 0; port < taps.size(); ++port) buffers_[kMaxPorts + port].target = taps[port];
}

void Transmit::send_new(uint16_t port, rte_mbuf* frame) {
  stats_.originated.add();
  if (is_watched()) [[unlikely]]
    show(port, *frame, false);
  add(port, frame);
}

void Transmit::show(uint16_t port, rte_mbuf& frame, bool is_bound) const {
  const PacketMeta& meta = meta_of(&frame);
  watch_->sent(frame, port, is_bound ? meta.bound_service() : lb::kNoService,
               is_bound ? meta.bound_backend() : lb::kNoBackend);
}

void Transmit::send_to_kernel(uint16_t port, rte_mbuf* frame) {
  const unsigned slot = kMaxPorts + port;
  if (buffers_[slot].target.device == UINT16_MAX) {
    return drops_.drop_frame(frame, static_cast<uint8_t>(port), DropReason::kNoService);
  }
  add(slot, frame);
}

void Transmit::relay(rte_mbuf* frame) {
  add(meta_of(frame).in_port, frame);
}

void Transmit::flush() {
  while (pending_ != 0) flush(static_cast<unsigned>(std::countr_zero(pending_)));
}

void Transmit::flush(unsigned slot) {
  Buffer& buffer = buffers_[slot];
  if (slot == kTunnels) [[unlikely]]
    return drop_for_tunnels(buffer);
  const unsigned sent = hand_over(slot, buffer);
  const bool by_ring = queue_ >= buffer.target.queues;
  const std::atomic<bool>* const link_up = buffer.target.link_up;
  const bool is_down = link_up != nullptr && !link_up->load(std::memory_order_relaxed);
  const DropDetail decided = by_ring   ? DropDetail::kWorkerRingFull
                             : is_down ? DropDetail::kLinkDown
                                       : DropDetail::kTransmitQueueFull;
  for (unsigned i = sent; i < buffer.count; ++i) {
    drops_.drop_frame(buffer.frames[i], static_cast<uint8_t>(slot % kMaxPorts),
                      by_ring ? DropReason::kRingFull : DropReason::kTxFull, decided);
  }
  if (by_ring && sent < buffer.count) stats_.ring_full.add(buffer.count - sent);
  buffer.count = 0;
  pending_ &= ~bit_of(slot);
}

void Transmit::drop_for_tunnels(Buffer& buffer) {
  for (unsigned i = 0; i < buffer.count; ++i) {
    drops_.drop_frame(buffer.frames[i], 0, DropReason::kTxFull, DropDetail::kTransmitQueueFull);
  }
  buffer.count = 0;
}

unsigned Transmit::hand_over(unsigned slot, Buffer& buffer) {
  if (queue_ >= buffer.target.queues) {
    for (unsigned i = 0; i < buffer.count; ++i) {
      meta_of(buffer.frames[i]).in_port = static_cast<uint8_t>(slot);
    }
    return static_cast<unsigned>(to_transmit_->push({buffer.frames.data(), buffer.count}));
  }
  const std::atomic<bool>* const link_up = buffer.target.link_up;
  if (link_up != nullptr && !link_up->load(std::memory_order_relaxed)) return 0;
  uint64_t bytes = 0;  // summed before: the device may free a frame as soon as it has it
  for (unsigned i = 0; i < buffer.count; ++i) bytes += buffer.frames[i]->pkt_len;
  const unsigned sent = rte_eth_tx_burst(buffer.target.device, queue_, buffer.frames.data(),
                                         static_cast<uint16_t>(buffer.count));
  for (unsigned i = sent; i < buffer.count; ++i) bytes -= buffer.frames[i]->pkt_len;
  if (slot < kMaxPorts) {
    stats_.ports[slot].transmitted_packets.add(sent);
    stats_.ports[slot].transmitted_bytes.add(bytes);
  } else {
    stats_.consumed.add(sent);
  }
  return sent;
}

}  // namespace sluice::dataplane
