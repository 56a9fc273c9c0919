#include "dataplane/stages/refuse_too_big.h"

#include <algorithm>

#include "dataplane/packet/icmp.h"
#include "dataplane/stages/route.h"

namespace sluice::dataplane {
namespace {

/// Whether the sender asked to be told instead of having its packet fragmented; IPv6 senders always do.
bool wants_to_know(const uint8_t* ip, bool is_v4) {
  return !is_v4 || reinterpret_cast<const Ipv4Header*>(ip)->dont_fragment();
}

}  // namespace

bool tell_too_big(Worker& worker, rte_mbuf* packet, size_t mtu) {
  const uint8_t* const ip = rte_pktmbuf_mtod(packet, const uint8_t*);
  const bool is_v4 = ip[0] >> 4 == 4;
  const IpAddress sender = source_of(ip, is_v4);
  const Egress egress = route_to(*worker.tables, sender, meta_of(packet).in_port);
  const size_t header_bytes = icmp_error_header_bytes(is_v4);
  if (!wants_to_know(ip, is_v4) || !egress.found || rte_pktmbuf_headroom(packet) < header_bytes ||
      !worker.icmp_error_budget.take(worker.now_ms)) {
    return false;
  }
  const IpAddress sent_to = destination_of(ip, is_v4);
  const size_t quoted = std::min<size_t>(packet->data_len, max_quoted_bytes(is_v4));
  rte_pktmbuf_trim(packet, static_cast<uint16_t>(packet->data_len - quoted));
  auto* const error =
      reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(packet, static_cast<uint16_t>(header_bytes)));
  write_too_big(error, sent_to, sender, mtu, quoted);
  meta_of(packet).is_bound = false;
  send(worker, egress, packet);
  return true;
}

void refuse_too_big(Worker& worker, rte_mbuf* packet, size_t mtu) {
  worker.drops.show(packet, DropReason::kTooBig);
  if (meta_of(packet).kind == PacketKind::kIcmpError || !tell_too_big(worker, packet, mtu)) {
    return worker.drops.drop_shown(packet, DropReason::kTooBig);
  }
  // The packet is gone; its buffer became the error.
  worker.drops.count(DropReason::kTooBig);
  worker.stats.originated.add();
}

}  // namespace sluice::dataplane
