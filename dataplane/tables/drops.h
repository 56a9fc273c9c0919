// Where packets end that are not sent on: counted by reason, recorded, shown to captures, freed in bulk. One
// per worker.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <span>

#include "dataplane/base/drop_detail.h"
#include "dataplane/base/drop_reason.h"
#include "dataplane/base/packet.h"
#include "dataplane/base/packet_frame.h"
#include "dataplane/tables/drop_recorder.h"
#include "dataplane/tables/packet_watch.h"
#include "dataplane/tables/stats.h"

namespace sluice::dataplane {

class Drops {
 public:
  explicit Drops(WorkerStats& stats) : stats_(stats) {}
  Drops(const Drops&) = delete;
  Drops& operator=(const Drops&) = delete;

  /// Whoever looks at what is dropped; outlives this.
  void show_to(const PacketWatch& watch) { watch_ = &watch; }
  /// What remembers the last packets of each reason.
  DropRecorder& recorder() { return recorder_; }
  const DropRecorder& recorder() const { return recorder_; }
  void record_in(std::span<DropRecord> records) { recorder_ = DropRecorder(records); }

  /// Counts a packet, as it was parsed, under its reason and takes it over. `detail` is for people.
  void drop(rte_mbuf* packet, DropReason reason, DropDetail detail = DropDetail::kNone) {
    show(packet, reason, detail);
    drop_shown(packet, reason);
  }
  /// The same for a frame whose metadata say nothing, which came in by `port` or was to leave by it.
  void drop_frame(rte_mbuf* frame, uint8_t port, DropReason reason, DropDetail detail = DropDetail::kNone) {
    drop_frame(frame, {.reason = reason, .detail = detail, .port = port});
  }
  void drop_frame(rte_mbuf* frame, const DropNote& note) {
    recorder_.record({rte_pktmbuf_mtod(frame, const uint8_t*), frame->data_len}, frame->pkt_len, note);
    if (is_watched()) [[unlikely]]
      watch_->dropped_frame(*frame, note);
    drop_shown(frame, note.reason);
  }
  /// drop() in two parts, for a packet that changes between.
  void show(rte_mbuf* packet, DropReason reason, DropDetail detail = DropDetail::kNone) {
    record(packet, reason, detail);
    if (is_watched()) [[unlikely]]
      watch_->dropped(packet, reason);
  }
  void drop_shown(rte_mbuf* packet, DropReason reason) {
    count(reason);
    free_later(packet);
  }
  void count(DropReason reason) { stats_.dropped[static_cast<size_t>(reason)].add(); }
  /// Takes over a packet that has served its purpose and is no drop: an ARP reply learnt from, say.
  void discard(rte_mbuf* packet) {
    stats_.consumed.add();
    free_later(packet);
  }
  /// Frees what was taken over. Once per poll.
  void free_pending() {
    rte_pktmbuf_free_bulk(pending_.data(), count_);
    count_ = 0;
  }

 private:
  bool is_watched() const { return watch_ != nullptr && (watch_->any() & stage::kCaptureDropped) != 0; }
  void record(rte_mbuf* packet, DropReason reason, DropDetail detail) {
    if (!recorder_.has_room()) return;
    const PacketMeta& meta = meta_of(packet);
    const std::span<const uint8_t> bytes = frame_of(packet, meta);
    DropNote note{.reason = reason, .detail = detail, .port = meta.in_port};
    if (meta.is_bound) {
      note.service = meta.bound_service();
      note.backend = meta.bound_backend();
    }
    recorder_.record(bytes, static_cast<uint32_t>(bytes.size()) + packet->pkt_len - packet->data_len, note);
  }
  void free_later(rte_mbuf* packet) {
    if (count_ == pending_.size()) free_pending();
    pending_[count_++] = packet;
  }

  WorkerStats& stats_;
  const PacketWatch* watch_ = nullptr;
  DropRecorder recorder_;
  std::array<rte_mbuf*, 128> pending_;
  unsigned count_ = 0;
};

}  // namespace sluice::dataplane
