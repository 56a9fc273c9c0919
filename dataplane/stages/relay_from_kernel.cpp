#include "dataplane/stages/relay_from_kernel.h"

#include <rte_ethdev.h>

#include <array>

#include "dataplane/esp/esp_format.h"
#include "dataplane/esp/tunnel_tables.h"
#include "dataplane/packet/ethernet.h"
#include "dataplane/stages/route.h"

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

size_t header_bytes(bool is_v4) {
  return is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
}

/// How long an IP packet says that it is.
size_t ip_bytes_of(const uint8_t* ip, bool is_v4) {
  return is_v4 ? reinterpret_cast<const Ipv4Header*>(ip)->total_length.host()
               : sizeof(Ipv6Header) + reinterpret_cast<const Ipv6Header*>(ip)->payload_length.host();
}

/// Whether it is the key manager's, to its peer: IKE goes past the tunnels that it is about.
bool is_ike(const TunnelTables& tunnels, const uint8_t* ip, size_t room, bool is_v4) {
  const size_t header = header_bytes(is_v4);
  const IpProtocol protocol = is_v4 ? reinterpret_cast<const Ipv4Header*>(ip)->protocol
                                    : reinterpret_cast<const Ipv6Header*>(ip)->next_header;
  return protocol == IpProtocol::kUdp && room >= header + sizeof(UdpHeader) &&
         is_ike_port(load<UdpHeader>(ip + header).source_port.host()) &&
         tunnels.between(source_of(ip, is_v4), destination_of(ip, is_v4), true) != 0;
}

/// What the kernel sends to where a tunnel leads goes through it: true, and the frame is taken over. False:
/// it is as it was.
bool send_by_tunnel(Worker& worker, uint16_t port, rte_mbuf* frame) {
  const TunnelTables& tunnels = *worker.tables->tunnels;
  const auto* const bytes = rte_pktmbuf_mtod(frame, const uint8_t*);
  if (frame->nb_segs != 1 || frame->data_len < sizeof(EthernetHeader)) return false;
  const uint16_t type = load<EthernetHeader>(bytes).type.host();
  if (type != ether_type::kIpv4 && type != ether_type::kIpv6) return false;
  const bool is_v4 = type == ether_type::kIpv4;
  const uint8_t* const ip = bytes + sizeof(EthernetHeader);
  const size_t room = frame->data_len - sizeof(EthernetHeader);
  if (room < header_bytes(is_v4)) return false;
  const size_t ip_bytes = ip_bytes_of(ip, is_v4);
  const Egress egress = route_to(*worker.tables, destination_of(ip, is_v4), port);
  if (egress.tunnel == 0 || is_ike(tunnels, ip, room, is_v4)) return false;
  worker.stats.originated.add();
  if (ip_bytes > room || ip_bytes < header_bytes(is_v4)) {
    worker.drops.drop_frame(frame, static_cast<uint8_t>(port), DropReason::kMalformedL3);
    return true;
  }
  PacketMeta& meta = meta_of(frame);
  meta = PacketMeta{};
  meta.in_port = static_cast<uint8_t>(port);
  meta.l3_offset = sizeof(EthernetHeader);
  meta.ip_bytes = static_cast<uint16_t>(ip_bytes);
  bare_ip(frame);
  const bool fits = ip_bytes <= tunnel_mtu(worker, egress.tunnel);
  if (egress.found && fits) {
    send(worker, egress, frame);
  } else {
    worker.drops.drop(frame, fits ? DropReason::kNoRoute : DropReason::kTooBig);
  }
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
      const bool has_tunnels = worker.tables->tunnels != nullptr;
      if (has_tunnels && send_by_tunnel(worker, static_cast<uint16_t>(port), frames[i])) continue;
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
