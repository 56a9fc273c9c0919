// The frame of a packet that ends here, whatever has been taken off its front. The worker that has it.
#pragma once

#include <rte_mbuf.h>

#include <span>

#include "common/headers.h"
#include "dataplane/base/packet.h"

namespace sluice::dataplane {

/// In front of a bare packet lies the Ethernet header that it came with, as long as nothing else was written
/// there; else one of zeros is written. Empty: there is no room for it.
inline std::span<const uint8_t> frame_of(rte_mbuf* packet, const PacketMeta& meta) {
  auto* const data = rte_pktmbuf_mtod(packet, uint8_t*);
  if (meta.link_stripped_at == 0) return {data, packet->data_len};
  if (meta.link_stripped_at == packet->data_off && meta.l3_offset >= sizeof(EthernetHeader)) {
    return {data - meta.l3_offset, size_t{packet->data_len} + meta.l3_offset};
  }
  if (packet->data_off < sizeof(EthernetHeader)) return {};
  const uint16_t type = *data >> 4 == 4 ? ether_type::kIpv4 : ether_type::kIpv6;
  store(data - sizeof(EthernetHeader), EthernetHeader{{}, {}, Be16::from_host(type)});
  return {data - sizeof(EthernetHeader), packet->data_len + sizeof(EthernetHeader)};
}

}  // namespace sluice::dataplane
