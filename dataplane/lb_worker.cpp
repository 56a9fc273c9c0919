// The role of a balancing worker, and the stages that it shares with rx workers that balance.
#include <rte_prefetch.h>

#include <array>

#include "dataplane/packet.h"
#include "dataplane/stages/answer_echo.h"
#include "dataplane/stages/balance.h"
#include "dataplane/stages/punt.h"
#include "dataplane/stages/relay_icmp_error.h"
#include "dataplane/stages/relay_tunnel_error.h"
#include "dataplane/worker.h"

namespace sluice::dataplane {
namespace {

void learn(Worker& worker, rte_mbuf* packet) {
  const bool received_here = meta_of(packet).hops == 0;
  if (received_here) copy_answer_to_kernel(worker, packet);
  if (worker.place.index == 0) worker.mld.receive(*worker.tables, packet, worker.now_ms);
  worker.neighbors.receive(*worker.tables, packet, received_here, worker.now_ms, worker.transmit);
  worker.drops.discard(packet);
}

}  // namespace

void balance_and_forward(Worker& worker, std::span<rte_mbuf*> packets) {
  std::array<rte_mbuf*, kBurst> flow_packets;
  size_t flows = 0;
  for (rte_mbuf* packet : packets) {
    switch (meta_of(packet).kind) {
      case PacketKind::kFlow:
        flow_packets[flows++] = packet;
        break;
      case PacketKind::kIcmpError:
        relay_icmp_error(worker, packet);
        break;
      case PacketKind::kEcho:
        answer_echo(worker, packet);
        break;
      case PacketKind::kNeighbor:
        learn(worker, packet);
        break;
      case PacketKind::kOther:
        relay_tunnel_error(worker, packet);
        break;
    }
  }
  balance(worker, std::span(flow_packets).first(flows));
}

unsigned take_handed_over(Worker& worker) {
  std::array<rte_mbuf*, kBurst> buffer;
  size_t touched = 0;
  for (PacketRing* ring : worker.from_worker) {
    if (ring == nullptr) continue;
    const std::span<rte_mbuf*> packets = std::span(buffer).first(ring->pop(buffer));
    // They come from another CPU's cache.
    for (rte_mbuf* packet : packets) rte_prefetch0(&meta_of(packet));
    for (rte_mbuf* packet : packets) rte_prefetch0(rte_pktmbuf_mtod(packet, void*));
    balance_and_forward(worker, packets);
    touched += packets.size();
  }
  return static_cast<unsigned>(touched);
}

unsigned poll_lb_worker(Worker& worker) {
  return take_handed_over(worker);
}

}  // namespace sluice::dataplane
