// Which worker a packet belongs to: the owner of its flow (docs/decisions/0004). Pure functions of the
// packet and of published state; any thread.
#pragma once

#include <span>

#include "common/flow_key.h"
#include "dataplane/base/packet.h"
#include "dataplane/tables/tables.h"
#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Owner of a flow that belongs to whoever received it.
inline constexpr unsigned kWhoeverReceived = ~0u;

/// The index, among the balancers, of the owner of the flow that a packet with that key belongs to, or
/// kWhoeverReceived. Packets of both directions of a NAT flow have the same owner.
unsigned owner_of_flow(const Tables& tables, const WorkerPlace& place, const FlowKey& key);

/// The worker (WorkerPlace::index) that is balancer number `balancer`.
inline unsigned worker_of_balancer(const WorkerPlace& place, unsigned balancer) {
  return place.receives && place.balances ? balancer : place.rx_workers + balancer;
}

/// The worker that a packet which this one received goes to, itself included. What is no flow's business
/// (neighbors, echo, the kernel's packets) stays. An ICMP error belongs to the owner of the flow that would
/// answer what it quotes.
unsigned worker_for(const Tables& tables, const WorkerPlace& place, const PacketMeta& meta);

/// No ingress.
inline constexpr unsigned kNoIngress = ~0u;
/// The place in `ingress` of the one that a packet with that key is for, or kNoIngress.
unsigned ingress_of(std::span<const Ingress> ingress, const FlowKey& key);
/// Which of `hash_workers` has the transactions of that source (docs/decisions/0011).
unsigned hash_worker_of(const IpAddress& source, unsigned hash_workers);

}  // namespace sluice::dataplane
