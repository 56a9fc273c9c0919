#include "dataplane/forward/gue.h"

#include "common/checksum.h"
#include "dataplane/pseudo_header.h"

namespace sluice::dataplane {

void encapsulate_gue(uint8_t* outer, const Encapsulation& encapsulation, const IpAddress& backend,
                     bool inner_v4, size_t inner_bytes, Be16 source_port) {
  const bool outer_v4 = backend.is_v4();
  uint8_t* const udp_at = outer + ip_header_bytes(outer_v4);
  const size_t udp_bytes = sizeof(UdpHeader) + inner_bytes;
  write_outer_ip(outer, encapsulation, backend, IpProtocol::kUdp,
                 traffic_class_of(udp_at + sizeof(UdpHeader), inner_v4), udp_bytes);
  UdpHeader udp{};
  udp.source_port = source_port;
  udp.destination_port = Be16::from_host(encapsulation.gue_port);
  udp.length = Be16::from_host(static_cast<uint16_t>(udp_bytes));
  store(udp_at, udp);
  if (outer_v4) return;
  udp.checksum = checksum_finish(
      checksum_add(udp_at, udp_bytes, pseudo_header_sum(outer, false, IpProtocol::kUdp, udp_bytes)));
  if (udp.checksum.network() == 0) udp.checksum = Be16::from_network(0xffff);
  store(udp_at, udp);
}

}  // namespace sluice::dataplane
