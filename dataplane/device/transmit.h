// The way out: per-port buffers of one worker, sent in bursts. What a device does not take is a counted
// drop (tx_full), never a wait.
#pragma once

#include <immintrin.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <span>
#include <utility>

#include "common/bytes.h"
#include "common/spsc_ring.h"
#include "dataplane/tables/drops.h"
#include "dataplane/tables/stats.h"

namespace sluice::dataplane {

/// A device that frames leave by, and how many TX queues it has: worker i may use queue i.
struct TransmitDevice {
  uint16_t device = UINT16_MAX;  ///< DPDK port id; UINT16_MAX: none
  uint16_t queues = 0;
  /// Null: always. What a device takes without one is lost, whatever its driver says.
  const std::atomic<bool>* link_up = nullptr;
};

class Transmit {
 public:
  static constexpr unsigned kBuffer = 64;  ///< frames, for each port and tap
  /// The port number that stands for ESP tunnels on the short ways. It has a buffer and no device: what is
  /// sent by it waits for take_for_tunnels().
  static constexpr uint8_t kTunnels = 2 * kMaxPorts;

  /// `devices` by configured port; `taps` the same for the ports' kernel taps. `queue`: this worker's TX
  /// queue on each. Frames for a device that has fewer queues go over `to_transmit` to a worker that has
  /// one (null only where no device lacks a queue).
  Transmit(std::span<const TransmitDevice> devices, std::span<const TransmitDevice> taps, uint16_t queue,
           SpscRing<rte_mbuf*>* to_transmit, Drops& drops, WorkerStats& stats);

  /// Whoever looks at what is sent; outlives this.
  void show_to(const PacketWatch& watch) { watch_ = &watch; }

  /// Takes over a finished frame, with metadata, that leaves by configured port `port`.
  void send(uint16_t port, rte_mbuf* frame) {
    if (is_watched()) [[unlikely]]
      show(port, *frame, meta_of(frame).is_bound);
    add(port, frame);
  }
  /// The same for several, kBuffer at most.
  void send(uint16_t port, std::span<rte_mbuf* const> frames) {
    if (is_watched()) [[unlikely]]
      for (rte_mbuf* const frame : frames) show(port, *frame, meta_of(frame).is_bound);
    rte_mbuf** const room = room_for(frames.size(), port);
    std::copy(frames.begin(), frames.end(), room);
  }
  /// The same for a frame that has been shown to whoever looks.
  void send_shown(uint16_t port, rte_mbuf* frame) { add(port, frame); }
  /// The same for eight.
  [[gnu::always_inline]] void send_eight_shown(uint16_t port, rte_mbuf* const* frames) {
    rte_mbuf** const room = room_for(8, port);
    store(room, load<__m256i>(frames));
    store(room + 4, load<__m256i>(frames + 4));
  }
  /// The same for a frame that was made here, or came from a kernel tap: counts it as originated.
  void send_new(uint16_t port, rte_mbuf* frame);
  /// Takes over a frame, without VLAN tags, for the kernel tap of configured port `port`; drops it
  /// (no_service) if the port has none.
  void send_to_kernel(uint16_t port, rte_mbuf* frame);
  /// Whether this worker has a TX queue of a port; else another one sends for it.
  bool has_queue(uint16_t port) const { return queue_ < buffers_[port].target.queues; }
  /// Hands a packet that is to be encrypted, from its IP header on (PacketMeta::tunnel), to the worker that
  /// sends for this one, which takes its sequence number. False: that worker's ring is full, and the packet
  /// is still the caller's.
  bool hand_over_plaintext(rte_mbuf* packet) { return to_transmit_->push(packet); }
  /// What was sent by kTunnels since the last call, a burst at most. The caller takes it over; the span is
  /// valid until more is sent by kTunnels.
  std::span<rte_mbuf* const> take_for_tunnels() {
    Buffer& buffer = buffers_[kTunnels];
    return std::span(buffer.frames).first(std::exchange(buffer.count, 0));
  }
  /// Takes over a frame that another worker put into its to_transmit ring.
  void relay(rte_mbuf* frame);
  /// Hands every buffer to its device. Once per poll.
  void flush();

 private:
  static constexpr unsigned kSlots = 2 * kMaxPorts + 1;  ///< ports, then their taps, then kTunnels
  struct Buffer {
    TransmitDevice target;
    unsigned count = 0;
    std::array<rte_mbuf*, kBuffer> frames;
  };
  /// kTunnels shares the bit of port 0, whose empty buffer is handed over now and then for its sake.
  static uint64_t bit_of(unsigned slot) { return uint64_t{1} << slot % 64; }
  bool is_watched() const { return watch_ != nullptr && (watch_->any() & stage::kCaptureSent) != 0; }
  void show(uint16_t port, rte_mbuf& frame, bool is_bound) const;
  void add(unsigned slot, rte_mbuf* frame);
  rte_mbuf** room_for(size_t count, unsigned slot);
  void flush(unsigned slot);
  unsigned hand_over(unsigned slot, Buffer& buffer);
  void drop_for_tunnels(Buffer& buffer);

  uint16_t queue_;
  SpscRing<rte_mbuf*>* to_transmit_;
  Drops& drops_;
  WorkerStats& stats_;
  const PacketWatch* watch_ = nullptr;
  uint64_t pending_ = 0;  ///< bit_of() each slot whose buffer holds frames
  std::array<Buffer, kSlots> buffers_;
};

inline void Transmit::add(unsigned slot, rte_mbuf* frame) {
  Buffer& buffer = buffers_[slot];
  if (buffer.count == kBuffer) [[unlikely]]
    flush(slot);
  if (buffer.count == 0) pending_ |= bit_of(slot);
  buffer.frames[buffer.count++] = frame;
}
static_assert(2 * kMaxPorts <= 64);

/// Where `count` frames, kBuffer at most, are to be put. They count as sent from now on: the caller writes
/// them at once.
[[gnu::always_inline]] inline rte_mbuf** Transmit::room_for(size_t count, unsigned slot) {
  Buffer& buffer = buffers_[slot];
  if (buffer.count + count > kBuffer) [[unlikely]]
    flush(slot);
  rte_mbuf** const room = buffer.frames.data() + buffer.count;
  buffer.count += static_cast<unsigned>(count);
  pending_ |= bit_of(slot);
  return room;
}

}  // namespace sluice::dataplane
