// What is told of a flow that has ended, or goes on for long: who, where to, how much, how it ended. Plain
// values; the names of its service and backend hold until the record is read (dataplane/tables/flow_lanes.h).
#pragma once

#include <array>
#include <cstdint>

#include "common/flow_key.h"
#include "lb/backend.h"
#include "lb/service.h"

namespace sluice::lb {

/// How a flow ended. What FIN or RST has closed says so, whatever takes its entry away later.
enum class FlowEnd : uint8_t {
  kFin,
  kReset,
  kIdle,
  kEvicted,   ///< it gave way to another
  kFlushed,   ///< by an operator
  kMoved,     ///< its backend keeps no flows: what comes next of it is picked anew
  kRemoved,   ///< its service, its backend or its client's leave to send is gone
  kShutdown,  ///< the gateway stops
  kActive,    ///< it has not ended
};

/// Who reads records; each has a share of the flows of its own.
enum class FlowReader : uint8_t { kLog, kTraces };
inline constexpr size_t kFlowReaders = 2;

constexpr uint8_t bit_of(FlowReader reader) {
  return static_cast<uint8_t>(1u << static_cast<unsigned>(reader));
}

/// Frames as they were received: `in` is from the client.
struct FlowCounts {
  uint64_t packets_in = 0;
  uint64_t packets_out = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

struct FlowRecord {
  static constexpr uint32_t kNoHandshake = 0;

  FlowKey key;  ///< of what the client sends
  ServiceId service = kNoService;
  BackendId backend = kNoBackend;
  uint64_t begin_ns = 0;      ///< monotonic (Worker::now_ns): its first packet that was counted
  uint64_t end_ns = 0;        ///< its last packet
  FlowCounts counts;          ///< of its whole life
  FlowCounts told;            ///< of those, what its records with kActive have told
  uint32_t handshake_us = 0;  ///< from the SYN to the backend's SYN-ACK; kNoHandshake: none was seen
  FlowEnd end = FlowEnd::kIdle;
  uint8_t readers = 0;  ///< whose share it is in: bits of FlowReader

  bool is_for(FlowReader reader) const { return (readers & bit_of(reader)) != 0; }
};

/// The part of all flows that somebody reads of: always the same ones.
struct FlowShare {
  uint64_t below = 0;  ///< of 2^32 values of a flow's hash: 0 has none, 2^32 all

  static constexpr FlowShare of(double fraction) { return {static_cast<uint64_t>(fraction * 4294967296.0)}; }
  bool has(uint32_t hash) const { return hash < below; }
  bool operator==(const FlowShare&) const = default;
};
using FlowShares = std::array<FlowShare, kFlowReaders>;

}  // namespace sluice::lb
