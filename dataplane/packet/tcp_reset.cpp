#include "dataplane/packet/tcp_reset.h"

#include "common/checksum.h"
#include "common/headers.h"
#include "dataplane/base/packet.h"
#include "dataplane/packet/ip_header.h"
#include "dataplane/packet/pseudo_header.h"

namespace sluice::dataplane {

rte_mbuf* make_tcp_reset(rte_mempool* pool, const TcpReset& reset) {
  rte_mbuf* const packet = rte_pktmbuf_alloc(pool);
  if (packet == nullptr) return nullptr;
  const bool is_v4 = reset.key.source.is_v4();
  const size_t ip_header = is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  const size_t ip_bytes = ip_header + sizeof(TcpHeader);
  auto* const ip = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(packet, static_cast<uint16_t>(ip_bytes)));
  write_ip_header(ip, {reset.key.source, reset.key.destination, IpProtocol::kTcp, ip_bytes});

  TcpHeader tcp{};
  tcp.source_port = reset.key.source_port;
  tcp.destination_port = reset.key.destination_port;
  tcp.sequence = Be32::from_host(reset.sequence);
  tcp.acknowledgment = Be32::from_host(reset.acknowledgment);
  tcp.data_offset = sizeof tcp / 4 << 4;
  tcp.flags = TcpHeader::kRst | (reset.acknowledges ? TcpHeader::kAck : 0);
  const uint64_t pseudo = pseudo_header_sum(ip, is_v4, IpProtocol::kTcp, sizeof tcp);
  tcp.checksum = checksum_finish(checksum_add(&tcp, sizeof tcp, pseudo));
  store(ip + ip_header, tcp);

  PacketMeta& meta = meta_of(packet) = {};
  meta.key = reset.key;
  meta.ip_bytes = static_cast<uint16_t>(ip_bytes);
  meta.l4_offset = static_cast<uint16_t>(ip_header);
  meta.in_port = reset.in_port;
  meta.tcp_flags = tcp.flags;
  meta.kind = PacketKind::kFlow;
  return packet;
}

}  // namespace sluice::dataplane
