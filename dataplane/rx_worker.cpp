// The role of a worker that receives.
#include <array>

#include "dataplane/stages/receive.h"
#include "dataplane/stages/steer.h"
#include "dataplane/worker.h"

namespace sluice::dataplane {

unsigned poll_rx_worker(Worker& worker) {
  std::array<rte_mbuf*, kBurst> buffer;
  size_t touched = 0;
  for (const ReceiveQueue& queue : worker.receive_queues) {
    std::span<rte_mbuf*> packets = receive(worker, queue, buffer);
    touched += packets.size();
    packets = parse_frames(worker, queue.port, packets);
    packets = steer(worker, packets);
    balance_and_forward(worker, packets);
  }
  return static_cast<unsigned>(touched) + take_handed_over(worker);
}

}  // namespace sluice::dataplane
