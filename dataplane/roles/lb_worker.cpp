// The role of a balancing worker, and the stages that it shares with rx workers that balance.
#include <rte_prefetch.h>

#include <array>

#include "dataplane/base/packet.h"
#include "dataplane/stages/answer_echo.h"
#include "dataplane/stages/balance.h"
#include "dataplane/stages/encapsulate.h"
#include "dataplane/stages/punt.h"
#include "dataplane/stages/relay_icmp_error.h"
#include "dataplane/stages/relay_tunnel_error.h"
#include "dataplane/stages/route.h"
#include "dataplane/worker/worker.h"

namespace sluice::dataplane {
namespace {

void learn(Worker& worker, rte_mbuf* packet) {
  const bool received_here = meta_of(packet).hops == 0;
  if (received_here) copy_answer_to_kernel(worker, packet);
  if (worker.place.index == 0) worker.mld.receive(*worker.tables, packet, worker.now_ms);
  worker.neighbors.receive(*worker.tables, packet, received_here, worker.now_ms, worker.transmit);
  worker.drops.discard(packet);
}

/// Whether a packet claims to come from this gateway itself, whatever it quotes.
bool has_own_source(const Worker& worker, rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  const auto* const ip = rte_pktmbuf_mtod_offset(packet, const uint8_t*, meta.l3_offset);
  return worker.tables->is_own(source_of(ip, meta.is_v4()));
}

/// For packets that are neither a flow's nor a neighbor's.
void handle_single(Worker& worker, rte_mbuf* packet, PacketKind kind) {
  if (has_own_source(worker, packet))
    return worker.drops.drop(packet, DropReason::kMalformedL3, DropDetail::kOwnSource);
  switch (kind) {
    case PacketKind::kIcmpError:
      return relay_icmp_error(worker, packet);
    case PacketKind::kEcho:
      return answer_echo(worker, packet);
    case PacketKind::kFlow:
    case PacketKind::kNeighbor:
    case PacketKind::kOther:
      return relay_tunnel_error(worker, packet);
  }
}

}  // namespace

void balance_and_forward(Worker& worker, std::span<rte_mbuf*> packets) {
  std::array<rte_mbuf*, kBurst> flow_packets;
  size_t flows = 0;
  for (rte_mbuf* packet : packets) {
    const PacketKind kind = meta_of(packet).kind;
    if (kind == PacketKind::kFlow) {
      flow_packets[flows++] = packet;
    } else if (kind == PacketKind::kNeighbor) {
      learn(worker, packet);
    } else {
      handle_single(worker, packet, kind);
    }
  }
  balance(worker, std::span(flow_packets).first(flows));
  if (worker.tables->tunnels != nullptr) encapsulate_marked(worker, std::nullopt);
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
