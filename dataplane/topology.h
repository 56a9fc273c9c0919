// Who runs where, which queues are whose, which ring leads to whom: three tables, computed once from the
// configuration and the devices. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/boot_config.h"
#include "dataplane/port.h"
#include "dataplane/worker.h"

namespace sluice::dataplane {

struct Topology {
  struct Runner {
    WorkerPlace place;
    unsigned cpu = 0;
  };
  struct Link {
    unsigned from = 0;  ///< worker indexes
    unsigned to = 0;
  };
  std::vector<Runner> runners;                            ///< by worker index: rx workers, then lb workers
  std::vector<std::vector<ReceiveQueue>> receive_queues;  ///< by worker index
  std::vector<Link> packet_rings;                         ///< parsed packets
  std::vector<Link> transmit_rings;                       ///< finished frames; at most one from each worker
};

/// rx workers hand packets to every other worker (flows to balancers, neighbor packets to all), balancers
/// to each other. A worker beyond a device's TX queues hands frames to one that has a queue on every device.
Topology plan_topology(const BootConfig& config, std::span<const PortPlan> ports);

}  // namespace sluice::dataplane
