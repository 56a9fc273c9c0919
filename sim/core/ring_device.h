// A network device of the simulated gateway: DPDK's ring driver, with the simulator at the other ends of its
// rings. One thread. EAL runs as long as it is used.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "sim/core/frame.h"

struct rte_mempool;
struct rte_ring;

namespace sluice::sim {

class RingDevice {
 public:
  static constexpr unsigned kDescriptors = 1024;  ///< of each queue

  /// `pool` gives the buffers of what arrives.
  static Result<std::unique_ptr<RingDevice>> create(const std::string& name, unsigned rx_queues,
                                                    unsigned tx_queues, rte_mempool* pool);

  RingDevice(const RingDevice&) = delete;
  RingDevice& operator=(const RingDevice&) = delete;
  /// Nobody uses the device any more.
  ~RingDevice();

  uint16_t port_id() const { return port_id_; }
  unsigned rx_queues() const { return static_cast<unsigned>(rx_.size()); }

  /// A frame comes in at a queue. It waits outside as long as the queue is full: nothing is missed.
  void arrive(unsigned queue, Frame frame);
  /// Puts what waits outside into the queues. Before workers poll.
  void refill();
  /// Whether frames wait in or outside a queue.
  bool has_waiting() const;
  /// Gives what the gateway has sent, in its order, to `take`. After a worker has polled.
  void take_sent(const std::function<void(Frame)>& take);
  void set_link(bool is_up);

 private:
  struct Queue {
    rte_ring* ring;
    std::deque<Frame> outside;
  };
  RingDevice() = default;

  uint16_t port_id_ = UINT16_MAX;
  rte_mempool* pool_ = nullptr;
  std::vector<Queue> rx_;
  std::vector<rte_ring*> tx_;
};

}  // namespace sluice::sim
