#include "dataplane/device/socket_drops.h"

#include <linux/if_packet.h>
#include <rte_ethdev.h>
#include <sys/socket.h>

#include <string_view>

#include "dataplane/device/receive_descriptors.h"

namespace sluice::dataplane {

SocketDrops::SocketDrops(uint16_t device) {
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(device, &info) != 0 || info.if_index == 0) return;
  if (std::string_view(info.driver_name) == "net_af_packet") sockets_ = packet_sockets(info.if_index);
}

uint64_t SocketDrops::read() {
  for (const int socket : sockets_) {
    tpacket_stats since{};
    socklen_t length = sizeof since;
    if (getsockopt(socket, SOL_PACKET, PACKET_STATISTICS, &since, &length) == 0) sum_ += since.tp_drops;
  }
  return sum_;
}

}  // namespace sluice::dataplane
