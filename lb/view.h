// What is published to the balancer, and what it counts for the reader of statistics.
#pragma once

#include <cstdint>
#include <span>

#include "common/counter.h"
#include "common/siphash.h"
#include "lb/backend.h"
#include "lb/service.h"
#include "lb/service_table.h"
#include "lb/shared_list.h"

namespace sluice::lb {

class HandshakeWatch;
class PoolMembers;

inline constexpr uint32_t kMaxBackends = 1u << 20;
inline constexpr uint32_t kMaxServices = 1u << 17;
inline constexpr uint32_t kMaxPools = 1u << 18;  ///< pool tables: one per pool and protocol

/// The published side: plain views into memory that the Tables own.
struct View {
  const ServiceTable* service_table = nullptr;
  std::span<const Service> services;  ///< by ServiceId
  std::span<const Backend> backends;  ///< by BackendId
  SipKey hash_key;                    ///< of policies; the flow table has its own
  /// Source addresses of full-nat, at most 256. Flows keep an index into them: an address keeps its index
  /// until one of them goes, when every service of full-nat gets another number.
  std::span<const IpAddress> snat;
  const SharedList<PoolMembers>* members = nullptr;  ///< by PoolTable::index(); null: nobody has any
  const SharedList<PoolTable>* pools = nullptr;      ///< the same; for Service::steering
};

/// Per-service and per-backend counters of one worker; the arrays have kMaxServices and kMaxBackends
/// elements of untouched (zero) anonymous memory. Packets and bytes count what goes to the backend.
struct TargetCounters {
  Counter packets;
  Counter bytes;
  Counter flows;  ///< ever remembered
  Gauge active_flows;

  void count_packet(uint32_t frame_bytes) {
    packets.add();
    bytes.add(frame_bytes);
  }
};
static_assert(sizeof(TargetCounters) == 32);

/// What comes back from the backends of a NAT service, by ServiceId: frames as they are received. Memory as
/// that of TargetCounters.
struct AnswerCounters {
  Counter packets;
  Counter bytes;

  void count(uint32_t frame_bytes) {
    packets.add();
    bytes.add(frame_bytes);
  }
};

}  // namespace sluice::lb
