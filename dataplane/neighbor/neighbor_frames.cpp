#include "dataplane/neighbor/neighbor_frames.h"

#include "dataplane/packet/ethernet.h"

namespace sluice::dataplane {
namespace {

rte_mbuf* make_arp(rte_mempool* pool, const PortView& port, const MacAddress& to, const ArpMessage& message) {
  rte_mbuf* const frame = rte_pktmbuf_alloc(pool);
  if (frame == nullptr) return nullptr;
  const unsigned link_bytes = ethernet_bytes(port);
  auto* const bytes = reinterpret_cast<uint8_t*>(
      rte_pktmbuf_append(frame, static_cast<uint16_t>(link_bytes + sizeof(ArpHeader))));
  write_ethernet(bytes, port, to, ether_type::kArp);
  write_arp(message, bytes + link_bytes);
  return frame;
}

rte_mbuf* make_ndp(rte_mempool* pool, const PortView& port, const MacAddress& to, const NdpMessage& message) {
  rte_mbuf* const frame = rte_pktmbuf_alloc(pool);
  if (frame == nullptr) return nullptr;
  const unsigned link_bytes = ethernet_bytes(port);
  auto* const bytes = rte_pktmbuf_mtod(frame, uint8_t*);  // a data room holds far more than kMaxNdpBytes
  write_ethernet(bytes, port, to, ether_type::kIpv6);
  const unsigned ip_bytes = write_ndp(message, bytes + link_bytes);
  rte_pktmbuf_append(frame, static_cast<uint16_t>(link_bytes + ip_bytes));
  return frame;
}

/// The address that questions about `target` come from: ours on the same link, else any of ours.
IpAddress asking_address(const PortView& port, const IpAddress& target) {
  const bool v4 = target.is_v4();
  IpAddress fallback = v4 ? IpAddress::v4(Be32{}) : port.link_local;  // 0.0.0.0: an ARP probe
  bool any = !v4;
  for (const Prefix& own : port.addresses) {
    if (own.contains(target)) return own.address;
    if (!any && own.address.is_v4()) {
      fallback = own.address;
      any = true;
    }
  }
  return fallback;
}

}  // namespace

rte_mbuf* make_question(rte_mempool* pool, const PortView& port, const IpAddress& target,
                        const MacAddress* known) {
  const IpAddress source = asking_address(port, target);
  if (target.is_v4()) {
    return make_arp(
        pool, port, known ? *known : kBroadcastMac,
        {.is_reply = false, .sender_mac = port.mac, .sender = source, .target_mac = {}, .target = target});
  }
  const IpAddress destination = known ? target : solicited_node_address(target);
  NdpMessage message;
  message.source = source;
  message.destination = destination;
  message.target = target;
  message.link_address = port.mac;
  return make_ndp(pool, port, known ? *known : multicast_mac(destination), message);
}

rte_mbuf* make_arp_reply(rte_mempool* pool, const PortView& port, const ArpMessage& request) {
  return make_arp(pool, port, request.sender_mac,
                  {.is_reply = true,
                   .sender_mac = port.mac,
                   .sender = request.target,
                   .target_mac = request.sender_mac,
                   .target = request.sender});
}

rte_mbuf* make_advertisement(rte_mempool* pool, const PortView& port, const NdpMessage& solicitation,
                             const MacAddress& asker) {
  const bool detects_duplicates = solicitation.source == IpAddress();  // no address to answer to yet
  NdpMessage message;
  message.is_advertisement = true;
  message.solicited = !detects_duplicates;
  message.overrides = true;
  message.source = solicitation.target;
  message.destination = detects_duplicates ? all_nodes_address() : solicitation.source;
  message.target = solicitation.target;
  message.link_address = port.mac;
  return make_ndp(pool, port, detects_duplicates ? multicast_mac(message.destination) : asker, message);
}

rte_mbuf* make_announcement(rte_mempool* pool, const PortView& port, const IpAddress& address) {
  if (address.is_v4()) {
    return make_arp(
        pool, port, kBroadcastMac,
        {.is_reply = false, .sender_mac = port.mac, .sender = address, .target_mac = {}, .target = address});
  }
  NdpMessage message;
  message.is_advertisement = true;
  message.overrides = true;
  message.source = address;
  message.destination = all_nodes_address();
  message.target = address;
  message.link_address = port.mac;
  return make_ndp(pool, port, multicast_mac(message.destination), message);
}

}  // namespace sluice::dataplane
