#include "dataplane/stages/receive.h"

#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include <algorithm>

#include "dataplane/packet/parser.h"

namespace sluice::dataplane {
namespace {

ChecksumState state_of(uint64_t flags, uint64_t mask, uint64_t good, uint64_t bad) {
  if ((flags & mask) == good) return ChecksumState::kGood;
  return (flags & mask) == bad ? ChecksumState::kBad : ChecksumState::kUnknown;
}

DeviceChecksums device_checksums(const rte_mbuf& frame) {
  if ((frame.ol_flags & (RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK)) == 0) return {};
  return {state_of(frame.ol_flags, RTE_MBUF_F_RX_IP_CKSUM_MASK, RTE_MBUF_F_RX_IP_CKSUM_GOOD,
                   RTE_MBUF_F_RX_IP_CKSUM_BAD),
          state_of(frame.ol_flags, RTE_MBUF_F_RX_L4_CKSUM_MASK, RTE_MBUF_F_RX_L4_CKSUM_GOOD,
                   RTE_MBUF_F_RX_L4_CKSUM_BAD)};
}

DropReason parse_frame(rte_mbuf* frame, uint8_t in_port, const PortView& port) {
  // Buffers hold any frame of the port's MTU in one segment: a chain is a frame beyond it.
  if (frame->nb_segs != 1) return DropReason::kTooBig;
  const std::span<const uint8_t> bytes{rte_pktmbuf_mtod(frame, const uint8_t*), frame->data_len};
  PacketMeta& meta = meta_of(frame);
  const DropReason reason = parse(bytes, port, device_checksums(*frame), meta);
  meta.in_port = in_port;
  return reason;
}

std::span<const uint8_t> datagram_of(rte_mbuf* frame) {
  const PacketMeta& meta = meta_of(frame);
  return {rte_pktmbuf_mtod_offset(frame, const uint8_t*, meta.l4_offset),
          size_t{meta.l3_offset} + meta.ip_bytes - meta.l4_offset};
}

}  // namespace

std::span<rte_mbuf*> receive(Worker& worker, const ReceiveQueue& queue, std::span<rte_mbuf*> buffer) {
  const uint16_t count =
      rte_eth_rx_burst(queue.device, queue.queue, buffer.data(), static_cast<uint16_t>(buffer.size()));
  if (count == 0) return {};
  uint64_t bytes = 0;
  for (const rte_mbuf* frame : buffer.first(count)) bytes += frame->pkt_len;
  worker.stats.ports[queue.port].received_packets.add(count);
  worker.stats.ports[queue.port].received_bytes.add(bytes);
  return buffer.first(count);
}

std::span<rte_mbuf*> parse_frames(Worker& worker, uint8_t port, const LeftFrames& left) {
  constexpr size_t kAhead = 4;
  const std::span<rte_mbuf*> frames = left.frames;
  const PortView& view = worker.tables->ports[port];
  for (rte_mbuf* frame : frames.first(std::min(kAhead, frames.size()))) {
    rte_prefetch0(rte_pktmbuf_mtod(frame, void*));
  }
  size_t kept = 0;
  for (size_t i = 0; i < frames.size(); ++i) {
    if ((left.described >> i & 1) != 0) {
      frames[kept++] = frames[i];
      continue;
    }
    if (i + kAhead < frames.size()) rte_prefetch0(rte_pktmbuf_mtod(frames[i + kAhead], void*));
    DropReason reason = parse_frame(frames[i], port, view);
    if (worker.tables->tunnels == nullptr && reason == DropReason::kNone &&
        is_left_to_esp(meta_of(frames[i]))) {
      reason = refusal_unless_esp(datagram_of(frames[i]));
    }
    if (reason == DropReason::kNone) {
      frames[kept++] = frames[i];
    } else {
      worker.drops.drop_frame(frames[i], port, reason,
                              frames[i]->nb_segs != 1 ? DropDetail::kChained : DropDetail::kNone);
    }
  }
  return frames.first(kept);
}

}  // namespace sluice::dataplane
