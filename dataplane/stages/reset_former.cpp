#include "dataplane/stages/reset_former.h"

#include "dataplane/packet/tcp_reset.h"
#include "dataplane/stages/forward.h"

namespace sluice::dataplane {

/// It is the gateway's own packet, and counted nowhere as the service's.
void reset_former(Worker& worker, rte_mbuf* packet, const lb::Decision& decision) {
  const PacketMeta& meta = meta_of(packet);
  rte_mbuf* const reset = make_tcp_reset(
      worker.pool, {.key = meta.key, .sequence = decision.former_sequence, .in_port = meta.in_port});
  if (reset == nullptr) return;
  worker.stats.originated.add();
  forward(worker, reset, decision);
}

}  // namespace sluice::dataplane
