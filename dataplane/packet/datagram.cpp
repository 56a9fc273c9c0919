#include "dataplane/packet/datagram.h"

#include <cstring>

#include "common/checksum.h"
#include "common/headers.h"
#include "dataplane/base/packet.h"

namespace sluice::dataplane {
namespace {

constexpr uint8_t kHopLimit = 64;
constexpr uint16_t kLinkHeaderRoom = 20;  // Ethernet with a VLAN tag takes 18

/// The sum over an address, of whichever family the packet is.
uint64_t sum_of(const IpAddress& address, bool is_v4) {
  if (is_v4) return address.as_v4().network();
  const uint8_t* const bytes = address.bytes().data();
  uint64_t sum = 0;
  for (size_t at = 0; at < 16; at += 4) sum += load<uint32_t>(bytes + at);
  return sum;
}

uint64_t sum_of(Be16 word) {
  return word.network();
}

/// Nothing is read back of what was just stored in pieces: such a load waits until all stores before have
/// reached the cache.
void write_ipv4(uint8_t* at, const IpAddress& from, const IpAddress& to, size_t total) {
  Ipv4Header header{};
  header.version_ihl = 0x45;
  header.total_length = Be16::from_host(static_cast<uint16_t>(total));
  header.fragment = Be16::from_host(Ipv4Header::kDontFragment);  // so that no id is needed: RFC 6864, 4
  header.ttl = kHopLimit;
  header.protocol = IpProtocol::kUdp;
  header.source = from.as_v4();
  header.destination = to.as_v4();
  constexpr uint64_t kFixed =
      Be16::from_host(0x4500).network() + uint64_t{Be16::from_host(Ipv4Header::kDontFragment).network()} +
      Be16::from_host(kHopLimit << 8 | static_cast<uint8_t>(IpProtocol::kUdp)).network();
  header.checksum =
      checksum_finish(kFixed + sum_of(header.total_length) + sum_of(from, true) + sum_of(to, true));
  store(at, header);
}

void write_ipv6(uint8_t* at, const IpAddress& from, const IpAddress& to, size_t total) {
  Ipv6Header header{};
  header.version_class_flow = Be32::from_host(6u << 28);
  header.payload_length = Be16::from_host(static_cast<uint16_t>(total - sizeof header));
  header.next_header = IpProtocol::kUdp;
  header.hop_limit = kHopLimit;
  header.source = from.bytes();
  header.destination = to.bytes();
  store(at, header);
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
  (is_v4 ? write_ipv4 : write_ipv6)(ip, from.address, to.address, ip_header + udp_bytes);
  uint8_t* const l4 = ip + ip_header;
  const Be16 length = Be16::from_host(static_cast<uint16_t>(udp_bytes));
  const Be16 protocol = Be16::from_host(static_cast<uint8_t>(IpProtocol::kUdp));
  // The pseudo-header (RFC 768; RFC 8200, 8.1) and the header with its ports and its length.
  const uint64_t headers = sum_of(from.address, is_v4) + sum_of(to.address, is_v4) + sum_of(protocol) +
                           2 * sum_of(length) + sum_of(from.port) + sum_of(to.port);
  const Be16 sum = checksum_finish(checksum_add(payload.data(), payload.size(), headers));
  std::memcpy(l4 + sizeof(UdpHeader), payload.data(), payload.size());
  // RFC 768: zero says that there is none.
  store(l4, UdpHeader{from.port, to.port, length, sum.network() == 0 ? Be16::from_host(0xffff) : sum});
}

std::span<const uint8_t> udp_payload(rte_mbuf* frame) {
  const PacketMeta& meta = meta_of(frame);
  const size_t start = meta.l4_offset + sizeof(UdpHeader);
  return {rte_pktmbuf_mtod_offset(frame, const uint8_t*, start),
          size_t{meta.l3_offset} + meta.ip_bytes - start};
}

}  // namespace sluice::dataplane
