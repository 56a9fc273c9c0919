#include "dataplane/packet/datagram.h"

#include <cstring>
#include <new>

#include "common/checksum.h"
#include "common/headers.h"
#include "dataplane/base/packet.h"
#include "dataplane/packet/ip_header.h"

namespace sluice::dataplane {
namespace {

constexpr uint16_t kLinkHeaderRoom = 20;  // Ethernet with a VLAN tag takes 18

uint64_t sum_of(Be16 word) {
  return word.network();
}

}  // namespace

rte_mbuf* make_datagram(rte_mempool* pool, const UdpEnd& from, const UdpEnd& to,
                        std::span<const uint8_t> payload) {
  rte_mbuf* const packet = rte_pktmbuf_alloc(pool);
  if (packet != nullptr) write_datagram(packet, from, to, payload);
  return packet;
}

void write_datagram(rte_mbuf* packet, const UdpEnd& from, const UdpEnd& to,
                    std::span<const uint8_t> payload) {
  const bool is_v4 = from.address.is_v4();
  const size_t ip_header = is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  const size_t udp_bytes = sizeof(UdpHeader) + payload.size();
  // A fresh buffer has room for any frame, and so for kMostDatagramBytes. The link header will lie in the
  // cache line of the IP header's beginning.
  packet->data_off = static_cast<uint16_t>(packet->data_off + kLinkHeaderRoom);
  auto* const ip =
      reinterpret_cast<uint8_t*>(rte_pktmbuf_append(packet, static_cast<uint16_t>(ip_header + udp_bytes)));
  write_ip_header(ip, {from.address, to.address, IpProtocol::kUdp, ip_header + udp_bytes});
  uint8_t* const l4 = ip + ip_header;
  const Be16 length = Be16::from_host(static_cast<uint16_t>(udp_bytes));
  const Be16 protocol = Be16::from_host(static_cast<uint8_t>(IpProtocol::kUdp));
  // The pseudo-header (RFC 768; RFC 8200, 8.1) and the header with its ports and its length.
  const uint64_t headers = address_sum(from.address) + address_sum(to.address) + sum_of(protocol) +
                           2 * sum_of(length) + sum_of(from.port) + sum_of(to.port);
  const Be16 sum = checksum_finish(checksum_add(payload.data(), payload.size(), headers));
  std::memcpy(l4 + sizeof(UdpHeader), payload.data(), payload.size());
  // RFC 768: zero says that there is none.
  new (l4) UdpHeader{from.port, to.port, length, sum.network() == 0 ? Be16::from_host(0xffff) : sum};
}

std::span<const uint8_t> udp_payload(rte_mbuf* frame) {
  const PacketMeta& meta = meta_of(frame);
  const size_t start = meta.l4_offset + sizeof(UdpHeader);
  return {rte_pktmbuf_mtod_offset(frame, const uint8_t*, start),
          size_t{meta.l3_offset} + meta.ip_bytes - start};
}

}  // namespace sluice::dataplane
