// Tells the links, once workers run and whenever Tables bring new ones, which addresses are here:
// Tables::announcements. So that switches and neighbors follow a take-over at once. On worker 0 alone.
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <vector>

#include "dataplane/device/transmit.h"
#include "dataplane/tables/tables.h"

namespace sluice::dataplane {

class Announcer {
 public:
  explicit Announcer(rte_mempool* pool) : pool_(pool) {}

  /// Sends at most one frame a millisecond, and each of them twice with a pause (RFC 5227: ANNOUNCE_NUM,
  /// ANNOUNCE_INTERVAL). Call it at every poll. What new Tables bring comes first; what was under way before
  /// goes on from its place, at one frame in four at least.
  void tick(const Tables& tables, uint32_t now_ms, Transmit& transmit);

 private:
  /// A place in all announcements ever, which other Tables do not move: they only add some behind, or leave
  /// some out.
  struct Place {
    uint64_t since = 0;
    IpAddress address;
    uint32_t port = 0;
    auto operator<=>(const Place&) const = default;
  };
  /// A way through the announcements of the generations (from, to]. The second walk begins where the first
  /// was a pause ago.
  struct Walk {
    uint64_t to = 0;
    Place first;  ///< up to which all have been sent once, or twice
    Place second;
    Place mark;  ///< the second goes no further, and that from `mark_ms` plus the pause on
    uint32_t mark_ms = 0;
    bool is_done = false;
  };
  using List = std::vector<Announcement>;
  static Walk walk_from(uint64_t from, uint64_t to);
  void follow(const List& list);
  bool step(const Tables& tables, Walk& walk, uint32_t now_ms, Transmit& transmit);
  bool announce_next(const Tables& tables, Place& place, const Place& end, Transmit& transmit);

  rte_mempool* pool_;
  Walk fresh_;    ///< what came last
  Walk backlog_;  ///< what came before and is not done yet
  uint32_t next_ms_ = 0;
  uint8_t turn_ = 0;
  bool has_begun_ = false;
};

}  // namespace sluice::dataplane
