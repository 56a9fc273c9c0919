#include "dataplane/stages/encapsulate.h"

namespace sluice::dataplane {

void encapsulate(Worker& worker, uint16_t tunnel, rte_mbuf* packet) {
  static_cast<void>(tunnel);  // nothing makes tunnels yet
  worker.drops.drop(packet, DropReason::kDenied);
}

size_t tunnel_mtu(const Worker& worker, uint16_t tunnel) {
  static_cast<void>(worker);
  static_cast<void>(tunnel);
  return 0;
}

}  // namespace sluice::dataplane
