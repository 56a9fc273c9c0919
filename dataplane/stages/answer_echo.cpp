#include "dataplane/stages/answer_echo.h"

#include "dataplane/packet/icmp.h"
#include "dataplane/stages/punt.h"
#include "dataplane/stages/route.h"

namespace sluice::dataplane {

void answer_echo(Worker& worker, rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  const Tables& tables = *worker.tables;
  const IpAddress& asked = meta.key.destination;
  const bool is_vip = tables.service_table->has_address(asked);
  if (!is_vip && (tables.ports[meta.in_port].kernel || !is_own_address(tables, asked))) {
    return punt(worker, packet);
  }
  if (!worker.echo_budget.take(worker.now_ms))
    return worker.drops.drop(packet, DropReason::kRateLimited, DropDetail::kEchoBudget);
  const Egress egress = route_to(tables, meta.key.source, meta.in_port);
  if (!egress.found) return worker.drops.drop(packet, DropReason::kNoRoute, DropDetail::kNoRouteToSender);
  uint8_t* const ip = bare_ip(packet);
  if (packet->pkt_len > largest_packet(worker, egress))
    return worker.drops.drop(packet, DropReason::kTooBig, DropDetail::kBeyondMtu);
  turn_into_echo_reply(ip, meta.is_v4(), meta.l4_offset - size_t{meta.l3_offset});
  send(worker, egress, packet);
}

}  // namespace sluice::dataplane
