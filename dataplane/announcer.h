// Tells the links, once workers run and whenever Tables bring new ones, which addresses are here: ports',
// SNAT's, and VIPs that are single addresses. So that switches and neighbors follow a take-over at once.
// On worker 0 alone.
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <limits>

#include "dataplane/tables.h"
#include "dataplane/transmit.h"

namespace sluice::dataplane {

class Announcer {
 public:
  explicit Announcer(rte_mempool* pool) : pool_(pool) {}

  /// Sends at most one frame a millisecond, and all of them twice with a pause (RFC 5227: ANNOUNCE_NUM,
  /// ANNOUNCE_INTERVAL). Call it at every poll. A new Tables::vips_generation starts over.
  void tick(const Tables& tables, uint32_t now_ms, Transmit& transmit);

 private:
  /// One address on one port, by number; false: no such number.
  bool announce(const Tables& tables, size_t number, Transmit& transmit);

  rte_mempool* pool_;
  uint64_t generation_ = std::numeric_limits<uint64_t>::max();  ///< of what is being announced
  unsigned rounds_left_ = 0;
  size_t next_ = 0;
  uint32_t next_ms_ = 0;
};

}  // namespace sluice::dataplane
