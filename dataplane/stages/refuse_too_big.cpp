#include "dataplane/stages/refuse_too_big.h"

#include <algorithm>

#include "dataplane/icmp.h"
#include "dataplane/stages/route.h"

namespace sluice::dataplane {
namespace {

/// Whether the sender asked to be told instead of having its packet fragmented; IPv6 senders always do.
bool wants_to_know(const uint8_t* ip, bool is_v4) {
  return !is_v4 || reinterpret_cast<const Ipv4Header*>(ip)->dont_fragment();
}

}  // namespace

void refuse_too_big(Worker& worker, rte_mbuf* packet, size_t mtu) {
  const PacketMeta& meta = meta_of(packet);
  const bool is_v4 = meta.is_v4();
  const uint8_t* const ip = rte_pktmbuf_mtod(packet, const uint8_t*);
  const IpAddress sender = source_of(ip, is_v4);
  const Egress egress = route_to(*worker.tables, sender, meta.in_port);
  const size_t header_bytes = icmp_error_header_bytes(is_v4);
  if (meta.kind == PacketKind::kIcmpError || !wants_to_know(ip, is_v4) || !egress.found ||
      rte_pktmbuf_headroom(packet) < header_bytes || !worker.icmp_error_budget.take(worker.now_ms)) {
    worker.drops.drop(packet, DropReason::kTooBig);
    return;
  }
  // The packet is gone; its buffer becomes the error, which quotes it.
  worker.stats.dropped[static_cast<size_t>(DropReason::kTooBig)].add();
  worker.stats.originated.add();
  const IpAddress sent_to = destination_of(ip, is_v4);
  const size_t quoted = std::min<size_t>(packet->data_len, max_quoted_bytes(is_v4));
  rte_pktmbuf_trim(packet, static_cast<uint16_t>(packet->data_len - quoted));
  auto* const error =
      reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(packet, static_cast<uint16_t>(header_bytes)));
  write_too_big(error, sent_to, sender, mtu, quoted);
  send(worker, egress, packet);
}

}  // namespace sluice::dataplane
