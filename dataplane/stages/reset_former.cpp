#include "dataplane/stages/reset_former.h"

#include <cstring>

#include "common/checksum.h"
#include "dataplane/packet/pseudo_header.h"
#include "dataplane/stages/forward.h"

namespace sluice::dataplane {
namespace {

/// Sets the length of the IP packet whose header of `header_bytes` is at `ip`.
void set_length(uint8_t* ip, bool is_v4, size_t header_bytes, size_t ip_bytes) {
  if (!is_v4) {
    auto& header = *reinterpret_cast<Ipv6Header*>(ip);
    header.payload_length = Be16::from_host(static_cast<uint16_t>(ip_bytes - sizeof header));
    return;
  }
  auto& header = *reinterpret_cast<Ipv4Header*>(ip);
  header.total_length = Be16::from_host(static_cast<uint16_t>(ip_bytes));
  header.checksum = {};
  header.checksum = checksum_finish(checksum_add(ip, header_bytes));
}

}  // namespace

void reset_former(Worker& worker, rte_mbuf* packet, const lb::Decision& decision) {
  const PacketMeta& meta = meta_of(packet);
  const size_t frame_bytes = meta.l4_offset + sizeof(TcpHeader);
  if (packet->data_len < frame_bytes) return;
  rte_mbuf* const reset = rte_pktmbuf_alloc(worker.pool);
  if (reset == nullptr) return;
  auto* const frame =
      reinterpret_cast<uint8_t*>(rte_pktmbuf_append(reset, static_cast<uint16_t>(frame_bytes)));
  std::memcpy(frame, rte_pktmbuf_mtod(packet, const uint8_t*), frame_bytes);
  const size_t ip_header_bytes = size_t{meta.l4_offset} - meta.l3_offset;
  PacketMeta& own = meta_of(reset) = meta;
  own.ip_bytes = static_cast<uint16_t>(ip_header_bytes + sizeof(TcpHeader));
  own.tcp_flags = TcpHeader::kRst;
  own.is_bound = false;  // it is the gateway's own packet, and counted nowhere as the service's
  uint8_t* const ip = frame + meta.l3_offset;
  set_length(ip, meta.is_v4(), ip_header_bytes, own.ip_bytes);

  TcpHeader tcp{};
  tcp.source_port = meta.key.source_port;
  tcp.destination_port = meta.key.destination_port;
  tcp.sequence = Be32::from_host(decision.former_sequence);
  tcp.data_offset = sizeof tcp / 4 << 4;
  tcp.flags = TcpHeader::kRst;
  const uint64_t pseudo = pseudo_header_sum(ip, meta.is_v4(), IpProtocol::kTcp, sizeof tcp);
  tcp.checksum = checksum_finish(checksum_add(&tcp, sizeof tcp, pseudo));
  store(frame + meta.l4_offset, tcp);
  worker.stats.originated.add();
  forward(worker, reset, decision);
}

}  // namespace sluice::dataplane
