// The frames that the pipeline benchmarks send: clients behind edge's router asking the VIP of
// tests/support/test_tables.h, or several. Pure; any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/address.h"
#include "common/flow_key.h"
#include "common/headers.h"

namespace sluice::perf {

struct Traffic {
  bool v6 = false;
  IpProtocol protocol = IpProtocol::kTcp;
  uint32_t flows = 1000;  ///< one frame each
  uint8_t tcp_flags = TcpHeader::kAck;
  bool imix = false;        ///< else every frame is as small as Ethernet allows
  uint32_t first_flow = 0;  ///< flows below belong to somebody else
  bool many_clients =
      false;  ///< IPv4: each flow is of its own listed_client() of perf/rules.h; else few have all
  uint32_t services = 1;  ///< IPv4: flows ask so many in turn, see service_address()

  auto operator<=>(const Traffic&) const = default;
};

/// The largest frame of IMIX, and the smallest of Ethernet, both without FCS.
inline constexpr size_t kLargestFrame = 1514;
inline constexpr size_t kSmallestFrame = 60;

/// Where service `number` is, over IPv4: the first at the VIP of tests/support/test_tables.h.
IpAddress service_address(uint32_t number);

/// The frame of flow `index` of the traffic, whose five-tuple no other index below 2^28 has.
std::vector<uint8_t> make_frame(const Traffic& traffic, uint32_t index);

/// What a worker reads from that frame.
FlowKey make_key(const Traffic& traffic, uint32_t index);

/// The numbers of the traffic's flows in an order that no prefetcher guesses, always the same.
std::vector<uint32_t> shuffled_flows(const Traffic& traffic);

}  // namespace sluice::perf
