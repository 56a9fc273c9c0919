// The flows that the packets of a burst may be of, found before any of them is looked at. Called by the
// worker that owns the flows.
#pragma once

#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "dataplane/packet/plain_packets.h"
#include "dataplane/stages/treat.h"
#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// The headers of a plain packet.
template <bool is_v4>
[[gnu::always_inline]] inline PacketPlaces plain_packet(uint8_t* ip, size_t ip_bytes) {
  return {ip, ip_bytes, ip + (is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header))};
}

/// Stands for a flow where a packet has none.
inline lb::FlowEntry nobody;

inline constexpr size_t kEight = PlainPackets::kLanes;

/// The packets of a burst, and the flows that they may be of, or `nobody`: found eight by eight, in steps
/// that each fetch from memory what the next one looks at, some packets later.
class BurstFlows {
 public:
  BurstFlows(std::span<rte_mbuf*> all, uint8_t port, const PortView& view)
      : frames(all), in_port(port), packets(all, view) {}

  /// Goes on until the flows of `count` packets are found, or of all.
  [[gnu::always_inline]] void find_until(const Worker& worker, lb::FlowTable& table, size_t count);

  template <bool is_v4>
  [[gnu::always_inline]] PacketPlaces places(size_t i) const {
    return plain_packet<is_v4>(packets.ip(i), packets.ip_bytes(i));
  }

  std::span<rte_mbuf*> frames;
  uint8_t in_port;
  PlainPackets packets;
  std::array<lb::FlowEntry*, PlainPackets::kMost> flows;

 private:
  /// How many packets lie between one step and the next: as long as memory takes to answer.
  static constexpr size_t kBeforeLook = kEight, kBeforeFind = kBeforeLook + 2 * kEight;

  void find_flows(const Worker& worker, lb::FlowTable& table, size_t first);
  void prefetch_accounts(const Worker& worker, size_t first);

  size_t next_ = 0;  ///< the first packet that is not fetched yet
  std::array<uint32_t, PlainPackets::kMost> buckets_;
};
/// How many packets lie between finding a flow and looking at it.
inline constexpr size_t kBeforeSending = 2 * kEight;

/// Finds the flows that eight packets may be of, and begins to fetch their entries.
[[gnu::always_inline]] inline void BurstFlows::find_flows(const Worker& worker, lb::FlowTable& table,
                                                          size_t first) {
  table.candidates(packets.hashes(first), std::span<const uint32_t, kEight>(&buckets_[first], kEight), nobody,
                   std::span<lb::FlowEntry*, kEight>(&flows[first], kEight));
  if (!packets.are_v4(first)) {
#pragma GCC unroll 8
    for (size_t i = 0; i < kEight; ++i) table.prefetch_addresses6(*flows[first + i]);
  }
  if ((worker.watch.any() & stage::kAccount) != 0) [[unlikely]]
    prefetch_accounts(worker, first);
}

/// Fetches what is counted for eight flows. GCC 12 would take it for a function without effect.
[[gnu::noipa]] inline void BurstFlows::prefetch_accounts(const Worker& worker, size_t first) {
  for (const lb::FlowEntry* const flow : std::span(flows).subspan(first, kEight)) {
    if (flow != &nobody) worker.balancer.prefetch_account(*flow);
  }
}

[[gnu::always_inline]] inline void BurstFlows::find_until(const Worker& worker, lb::FlowTable& table,
                                                          size_t count) {
  const size_t all = frames.size();
  for (const size_t end = std::min(count, all) + kBeforeFind; next_ < end; next_ += kEight) {
    if (next_ < all) packets.fetch(next_);
    // While a step has nothing to do yet, its number wraps, and is not below `all`.
    if (const size_t first = next_ - kBeforeLook; first < all) {
      packets.look_at(first, table.hash());
      table.prefetch_buckets(packets.hashes(first),
                             std::span<uint32_t, kEight>(buckets_.data() + first, kEight));
    }
    if (const size_t first = next_ - kBeforeFind; first < all) find_flows(worker, table, first);
  }
}

}  // namespace sluice::dataplane
