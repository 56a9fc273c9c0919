#include "dataplane/tables/packet_watch.h"

#include <rte_cycles.h>

#include <algorithm>

#include "dataplane/base/packet_frame.h"

namespace sluice::dataplane {
namespace {

StageMask stage_of(CapturePoint at) {
  switch (at) {
    case CapturePoint::kReceived:
      return stage::kCaptureReceived;
    case CapturePoint::kSent:
      return stage::kCaptureSent;
    case CapturePoint::kDropped:
      return stage::kCaptureDropped;
  }
  return 0;
}

std::span<const uint8_t> bytes_of(const rte_mbuf& frame) {
  return {rte_pktmbuf_mtod(&frame, const uint8_t*), frame.data_len};
}

/// Frames for a filter; the first of them where there are fewer than lanes.
FilterLanes lanes_of(std::span<rte_mbuf* const> frames) {
  FilterLanes lanes;
  lanes.shortest = SIZE_MAX;
  for (size_t i = 0; i < FilterLanes::kLanes; ++i) {
    const rte_mbuf& frame = *frames[i < frames.size() ? i : 0];
    lanes.frames[i] = rte_pktmbuf_mtod(&frame, const uint8_t*);
    lanes.lengths[i] = frame.pkt_len;
    lanes.shortest = std::min<size_t>(lanes.shortest, frame.data_len);
  }
  return lanes;
}

}  // namespace

void PacketWatch::adopt(const Captures* captures) {
  captures_ = captures;
  any_ = 0;
  ports_ = {};
  if (captures == nullptr) return;
  for (const auto& capture : captures->running) {
    const CaptureWish& wish = capture->wish();
    any_ |= stage_of(wish.at);
    if (wish.at != CapturePoint::kReceived || wish.service != lb::kNoService) continue;
    for (size_t port = 0; port < ports_.size(); ++port) {
      if (!wish.port || *wish.port == port) ports_[port] |= stage::kCaptureReceived;
    }
  }
}

StageMask PacketWatch::of_service(lb::ServiceId service) const {
  StageMask mask = flows_;
  if (captures_ == nullptr) return mask;
  for (const auto& capture : captures_->running) {
    const CaptureWish& wish = capture->wish();
    const bool is_any_sent = wish.at == CapturePoint::kSent && wish.service == lb::kNoService;
    if (wish.at == CapturePoint::kDropped || (wish.service != service && !is_any_sent)) continue;
    mask |= stage_of(wish.at);
  }
  return mask;
}

/// A filter is asked for eight frames at once.
void PacketWatch::received(std::span<rte_mbuf* const> frames, uint8_t port) const {
  for (; !frames.empty(); frames = frames.subspan(std::min(frames.size(), FilterLanes::kLanes))) {
    const auto some = frames.first(std::min(frames.size(), FilterLanes::kLanes));
    const FilterLanes lanes = lanes_of(some);
    for (const auto& capture : captures_->running) {
      const CaptureWish& wish = capture->wish();
      if (wish.at != CapturePoint::kReceived || wish.service != lb::kNoService) continue;
      uint32_t wanted = wish.filter ? wish.filter->may_match(lanes) : UINT32_MAX;
      for (size_t i = 0; i < some.size() && wanted >> i != 0; ++i) {
        if ((wanted >> i & 1) == 0) continue;
        const CaptureNote note{.cycles = rte_rdtsc(), .length = some[i]->pkt_len, .port = port};
        capture->show(worker_, bytes_of(*some[i]), note);
      }
    }
  }
}

void PacketWatch::received(const rte_mbuf& frame, uint8_t port, lb::ServiceId service,
                           lb::BackendId backend) const {
  const CaptureNote note{.length = frame.pkt_len, .service = service, .backend = backend, .port = port};
  show(CapturePoint::kReceived, bytes_of(frame), note);
}

void PacketWatch::sent(const rte_mbuf& frame, uint16_t port, lb::ServiceId service,
                       lb::BackendId backend) const {
  const CaptureNote note{
      .length = frame.pkt_len, .service = service, .backend = backend, .port = static_cast<uint8_t>(port)};
  show(CapturePoint::kSent, bytes_of(frame), note);
}

void PacketWatch::dropped(rte_mbuf* packet, DropReason reason) const {
  const PacketMeta& meta = meta_of(packet);
  const std::span<const uint8_t> bytes = frame_of(packet, meta);
  if (bytes.empty()) return;
  CaptureNote note{.length = static_cast<uint32_t>(bytes.size() + packet->pkt_len - packet->data_len),
                   .port = meta.in_port,
                   .reason = reason};
  if (meta.is_bound) {
    note.service = meta.bound_service();
    note.backend = meta.bound_backend();
  }
  show(CapturePoint::kDropped, bytes, note);
}

void PacketWatch::dropped_frame(const rte_mbuf& frame, const DropNote& note) const {
  show(CapturePoint::kDropped, bytes_of(frame),
       {.length = frame.pkt_len,
        .service = note.service,
        .backend = note.backend,
        .port = note.port,
        .reason = note.reason});
}

void PacketWatch::show(CapturePoint at, std::span<const uint8_t> bytes, const CaptureNote& note) const {
  CaptureNote timed = note;
  timed.cycles = rte_rdtsc();
  for (const auto& capture : captures_->running) {
    const CaptureWish& wish = capture->wish();
    if (wish.at != at) continue;
    // What is received was shown to captures of ports as it came.
    if (at == CapturePoint::kReceived && wish.service == lb::kNoService) continue;
    capture->show(worker_, bytes, timed);
  }
}

}  // namespace sluice::dataplane
