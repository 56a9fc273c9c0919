// The role of a worker that receives.
#include <array>

#include "dataplane/ingress/hash_worker.h"
#include "dataplane/stages/decapsulate.h"
#include "dataplane/stages/forward_known.h"
#include "dataplane/stages/receive.h"
#include "dataplane/stages/refuse_plain.h"
#include "dataplane/stages/send_answers.h"
#include "dataplane/stages/steer.h"
#include "dataplane/stages/submit.h"
#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

void process(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames) {
  if ((worker.watch.of_port(port) & stage::kCaptureReceived) != 0) [[unlikely]]
    worker.watch.received(frames, port);
  const bool has_tunnels = worker.tables->tunnels != nullptr;
  LeftFrames left =
      has_tunnels ? forward_known_in_clear(worker, port, frames) : forward_known_flows(worker, port, frames);
  if (left.frames.empty()) return;
  if (worker.police.refusing != 0 && !has_tunnels) left = {refuse_plain(worker, port, left.frames)};
  std::span<rte_mbuf*> packets = parse_frames(worker, port, left);
  if (has_tunnels) packets = decapsulate(worker, port, packets);
  packets = submit(worker, packets);
  packets = steer(worker, packets);
  balance_and_forward(worker, packets);
}

unsigned poll_rx_worker(Worker& worker) {
  std::array<rte_mbuf*, kBurst> buffer;
  size_t touched = 0;
  for (const ReceiveQueue& queue : worker.receive_queues) {
    const std::span<rte_mbuf*> frames = receive(worker, queue, buffer);
    touched += frames.size();
    process(worker, queue.port, frames);
  }
  touched += take_handed_over(worker);
  if (worker.hash != nullptr) touched += worker.hash->poll(worker.now_ns);
  touched += send_answers(worker);
  return static_cast<unsigned>(touched);
}

}  // namespace sluice::dataplane
