#include "dataplane/stages/punt.h"

#include <algorithm>
#include <cstring>

#include "dataplane/packet/icmp.h"
#include "dataplane/stages/mirror.h"
#include "dataplane/stages/route.h"

namespace sluice::dataplane {
namespace {

/// The tap carries frames without VLAN tags: moves the MAC addresses over them.
void cut_vlan_tags(rte_mbuf* frame) {
  const uint16_t tag_bytes = static_cast<uint16_t>(meta_of(frame).l3_offset - sizeof(EthernetHeader));
  if (tag_bytes == 0) return;
  uint8_t* const start = rte_pktmbuf_mtod(frame, uint8_t*);
  std::memmove(start + tag_bytes, start, 2 * sizeof(MacAddress));
  rte_pktmbuf_adj(frame, tag_bytes);
}

bool answers_a_question(const rte_mbuf* packet, const PacketMeta& meta) {
  const auto* bytes = rte_pktmbuf_mtod(packet, const uint8_t*);
  const auto type = load<Be16>(bytes + meta.l3_offset - sizeof(Be16));
  constexpr uint16_t kArpReply = 2;
  return type.host() == ether_type::kArp
             ? load<Be16>(bytes + meta.l3_offset + offsetof(ArpHeader, operation)).host() == kArpReply
             : bytes[meta.l4_offset] == icmpv6_type::kNeighborAdvertisement;
}

}  // namespace

bool is_own_address(const Tables& tables, const IpAddress& address) {
  return std::any_of(tables.ports.begin(), tables.ports.end(), [&](const PortView& port) {
    return address == port.link_local ||
           std::any_of(port.addresses.begin(), port.addresses.end(),
                       [&](const Prefix& own) { return own.address == address; });
  });
}

void punt(Worker& worker, rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  const PortView& port = worker.tables->ports[meta.in_port];
  const uint8_t* const ip = rte_pktmbuf_mtod_offset(packet, const uint8_t*, meta.l3_offset);
  if (!port.kernel || !is_own_address(*worker.tables, destination_of(ip, meta.is_v4()))) {
    if (take_mirror_answer(worker, packet)) return;
    return worker.drops.drop(packet, DropReason::kNoService);
  }
  if (!worker.kernel_budget.take(worker.now_ms)) {
    return worker.drops.drop(packet, DropReason::kRateLimited, DropDetail::kKernelBudget);
  }
  cut_vlan_tags(packet);
  worker.transmit.send_to_kernel(meta.in_port, packet);
}

void copy_answer_to_kernel(Worker& worker, rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  if (!worker.tables->ports[meta.in_port].kernel || !answers_a_question(packet, meta)) return;
  if (!worker.kernel_budget.take(worker.now_ms)) return;
  rte_mbuf* const copy = rte_pktmbuf_copy(packet, worker.pool, 0, UINT32_MAX);
  if (copy == nullptr) return;
  worker.stats.originated.add();
  meta_of(copy) = meta;
  cut_vlan_tags(copy);
  worker.transmit.send_to_kernel(meta.in_port, copy);
}

}  // namespace sluice::dataplane
