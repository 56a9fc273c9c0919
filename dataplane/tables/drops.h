// Where packets end that are not sent on: counted by reason, freed in bulk. One per worker.
#pragma once

#include <rte_mbuf.h>

#include <array>

#include "dataplane/base/drop_reason.h"
#include "dataplane/tables/stats.h"

namespace sluice::dataplane {

class Drops {
 public:
  explicit Drops(WorkerStats& stats) : stats_(stats) {}
  Drops(const Drops&) = delete;
  Drops& operator=(const Drops&) = delete;

  /// Counts the packet under its reason and takes it over.
  void drop(rte_mbuf* packet, DropReason reason) {
    stats_.dropped[static_cast<size_t>(reason)].add();
    free_later(packet);
  }
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
  void free_later(rte_mbuf* packet) {
    if (count_ == pending_.size()) free_pending();
    pending_[count_++] = packet;
  }

  WorkerStats& stats_;
  std::array<rte_mbuf*, 128> pending_;
  unsigned count_ = 0;
};

}  // namespace sluice::dataplane
