// What inspection_bench sends: TCP connections to a service, and in them bytes in which none of a thousand
// rules finds anything. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataplane/inspect/rule.h"
#include "tests/support/packet_builder.h"

namespace sluice::perf {

inline constexpr unsigned kRules = 1000;
inline constexpr size_t kPayload = 512;
inline constexpr size_t kHeaders = 14 + 20 + 20;
inline constexpr size_t kFrame = kHeaders + kPayload;
inline constexpr uint32_t kFirstByte = 1000;  ///< of each connection: its number

/// Half of them bytes, half expressions.
std::vector<dataplane::InspectionRule> rules_without_matches();

/// Those that are smaller lie at the front of their place.
using InspectionFrames = std::vector<std::array<uint8_t, kFrame>>;

/// A client's segment of a connection with the service at `vip`.
test::PacketBuilder client_segment(const char* vip, unsigned connection, uint32_t sequence);
void add_from_client(InspectionFrames& frames, const test::PacketBuilder& packet);

/// How connections begin: a SYN, its answer by the first backend, and the client's acknowledgment.
struct Openings {
  InspectionFrames syns, answers, acknowledgments;

  /// Of those from number `first` on: what is translated to one backend differs by it alone.
  Openings(const char* vip, unsigned first, unsigned connections);
};

/// Connections to the first service, and the bytes that come in each: by segment, then by connection.
struct InspectionTraffic {
  unsigned connections, segments;
  Openings openings;
  InspectionFrames data;

  InspectionTraffic(unsigned connections, unsigned segments);
};

}  // namespace sluice::perf
