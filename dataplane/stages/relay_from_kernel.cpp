#include "dataplane/stages/relay_from_kernel.h"

#include <rte_ethdev.h>

#include <array>

#include "dataplane/packet/ethernet.h"

namespace sluice::dataplane {
namespace {

/// Puts the port's VLAN tags between the MAC addresses and the type; false: no headroom.
bool add_tags(const PortView& port, rte_mbuf* frame) {
  const auto added = static_cast<uint16_t>(port.vlan_tags * sizeof(VlanHeader));
  if (added == 0) return true;
  const auto link = load<EthernetHeader>(rte_pktmbuf_mtod(frame, const uint8_t*));
  auto* const at = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(frame, added));
  if (at == nullptr) return false;
  write_ethernet(at, port, link.destination, link.type.host());
  store(at + offsetof(EthernetHeader, source), link.source);
  return true;
}

}  // namespace

unsigned relay_from_kernel(Worker& worker, std::span<const KernelTap> taps) {
  unsigned relayed = 0;
  for (size_t port = 0; port < taps.size(); ++port) {
    if (worker.place.index >= taps[port].queues) continue;
    std::array<rte_mbuf*, kBurst> frames;
    const uint16_t count =
        rte_eth_rx_burst(taps[port].device, static_cast<uint16_t>(worker.place.index), frames.data(), kBurst);
    for (uint16_t i = 0; i < count; ++i) {
      if (add_tags(worker.tables->ports[port], frames[i])) {
        worker.transmit.send_new(static_cast<uint16_t>(port), frames[i]);
      } else {
        worker.stats.originated.add();
        worker.drops.drop_frame(frames[i], static_cast<uint8_t>(port), DropReason::kNoHeadroom);
      }
    }
    relayed += count;
  }
  return relayed;
}

}  // namespace sluice::dataplane
