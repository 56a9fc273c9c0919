// Whether a new flow may begin, by the limits of its service, its source and its backend, and the counting of
// flows that such limits need. One per worker, which alone calls it; what limits share between workers lies
// in SharedFlowCounts and ServiceRules.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "common/flow_key.h"
#include "lb/backend.h"
#include "lb/decided_rule.h"
#include "lb/service.h"
#include "lb/shared_flow_counts.h"
#include "lb/view.h"

namespace sluice::lb {

class FlowAdmission {
 public:
  struct Memory {  ///< outliving this
    SharedFlowCounts shared;
    std::span<const TargetCounters> services;  ///< this worker's
    std::span<const TargetCounters> backends;
    std::span<uint8_t> counted_services;  ///< by ServiceId: 1 where this worker's flows are in `shared`
    std::span<uint8_t> counted_backends;
  };
  /// `balancer`: this worker's number among those that have flows.
  FlowAdmission(const Memory& memory, unsigned balancer) : memory_(memory), balancer_(balancer) {}

  /// Counts what this worker has of services and backends that are counted from now on. Once for new Tables,
  /// before any packet meets them; `services` stays until the next call.
  void adopt(std::span<const Service> services, std::span<const ServiceId> counted_services,
             std::span<const BackendId> counted_backends);

  struct Verdict {
    Limit limit = Limit::kNone;  ///< kNone: the flow may begin, and has its places
    uint8_t source_mark = 0;     ///< FlowEntry::source_mark
  };
  /// Takes tokens and places for a new flow; for a service without rules only what is counted.
  Verdict admit(ServiceId service, const FlowKey& key, uint64_t now_ns);
  /// Gives the places back: the flow has not begun after all. Its tokens are spent.
  void withdraw(ServiceId service, const FlowKey& key, uint8_t source_mark);
  /// What admit() would answer, without a trace.
  Limit refusal(ServiceId service, const FlowKey& key, uint64_t now_ns) const;

  /// Takes a place of a backend; false: it is full by now. One that is not counted is never full.
  bool take_backend(BackendId backend, uint32_t most_flows);
  void give_back_backend(BackendId backend);
  std::span<const SharedCount> backend_flows() const { return memory_.shared.backends; }
  /// To find all backends of a pool full takes a look at each: so that a flood does not pay it each time,
  /// what was found counts for kFullNs. `pool`: PoolTable::index().
  void note_full(uint32_t pool, uint64_t now_ns) {
    full_pools_[pool % kFullPools] = {pool, now_ns + kFullNs};
  }
  bool is_known_full(uint32_t pool, uint64_t now_ns) const {
    const FullPool& known = full_pools_[pool % kFullPools];
    return known.pool == pool && now_ns < known.until_ns;
  }

  /// A flow that had its places has ended, or got them without being asked whether it may (rebinding).
  void gone(ServiceId service, BackendId backend, const FlowKey& key, uint8_t source_mark);
  uint8_t moved(ServiceId from, BackendId from_backend, ServiceId to, BackendId to_backend,
                const FlowKey& key, uint8_t source_mark);

 private:
  static constexpr uint64_t kFullNs = 1'000'000;
  static constexpr size_t kFullPools = 64;
  struct FullPool {
    uint32_t pool = UINT32_MAX;
    uint64_t until_ns = 0;
  };
  bool counts(ServiceId service) const {
    return service < memory_.counted_services.size() && memory_.counted_services[service] != 0;
  }
  bool counts_backend(BackendId backend) const {
    return backend < memory_.counted_backends.size() && memory_.counted_backends[backend] != 0;
  }

  Memory memory_;
  unsigned balancer_;
  std::span<const Service> services_;
  std::array<FullPool, kFullPools> full_pools_{};
};

}  // namespace sluice::lb
