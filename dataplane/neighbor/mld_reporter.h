// Tells the switches and routers of every link which multicast groups we listen to (RFC 3810, the listener's
// part), so that one that snoops lets solicitations for our addresses through. On worker 0 alone.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <memory>

#include "dataplane/device/transmit.h"
#include "dataplane/packet/mld.h"
#include "dataplane/tables/tables.h"

namespace sluice::dataplane {

class MldReporter {
 public:
  /// Frames are taken from `pool`. `seed` makes delays that no stranger foresees.
  MldReporter(rte_mempool* pool, uint64_t seed);

  /// Handles a packet as the parser left it (PacketKind::kNeighbor), if it is a query: what is to be answered
  /// will be, within the time that the querier gives. The packet is the caller's still.
  void receive(const Tables& tables, rte_mbuf* packet, uint32_t now_ms);

  /// Reports what new Tables::memberships change, twice, and what was asked for: at most one frame a
  /// millisecond on each port. Call it at every poll.
  void tick(const Tables& tables, uint32_t now_ms, Transmit& transmit);

 private:
  static constexpr uint8_t kMostGroupsAsked = 16;  ///< pending at once on a port; more: all are reported

  /// A way through the memberships, of the generations (from, to] or, in answer to a general query, of all.
  struct Sweep {
    enum class Kind : uint8_t { kNone, kChange, kRepeat, kAnswer };
    Kind kind = Kind::kNone;
    bool has_sent = false;
    uint64_t from = 0, to = 0;
    Membership last;  ///< up to which it has come
    bool has_begun = false;
  };
  struct GroupAsked {
    IpAddress group;
    uint32_t due_ms = 0;
  };
  struct PortState {
    uint64_t told = 0;        ///< generations up to which changes were reported once
    uint64_t told_twice = 0;  ///< the same, twice (RFC 3810, 9.1: the robustness variable)
    uint64_t repeat_to = 0;
    uint32_t repeat_ms = 0;
    bool repeats = false;
    bool is_asked = false;  ///< by a general query
    uint32_t answer_ms = 0;
    uint32_t answered_ms = 0;
    bool has_v1_querier = false;
    uint32_t v1_heard_ms = 0;
    uint8_t groups_asked = 0;
    std::array<GroupAsked, kMostGroupsAsked> asked{};
    Sweep sweep;
  };
  using Ports = std::array<PortState, kMaxPorts>;

  uint32_t random_delay(uint32_t most_ms);
  void ask_all(PortState& port, uint32_t due_ms, uint32_t now_ms);
  void ask_group(const Tables& tables, uint16_t number, const IpAddress& group, uint32_t due_ms,
                 uint32_t now_ms);
  void begin_sweep(const Tables& tables, PortState& port, uint32_t now_ms);
  void end_sweep(PortState& port, uint32_t now_ms);
  void continue_sweep(const Tables& tables, uint16_t number, uint32_t now_ms, Transmit& transmit);
  void answer_group(const Tables& tables, uint16_t number, uint32_t now_ms, Transmit& transmit);

  rte_mempool* pool_;
  uint64_t random_;
  uint32_t last_tick_ms_ = 0;
  std::unique_ptr<Ports> ports_;
};

}  // namespace sluice::dataplane
