// Who runs where, which queues are whose, which ring leads to whom: a few tables, computed once from the
// configuration and the devices. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/device/boot_config.h"
#include "dataplane/device/port.h"
#include "dataplane/worker/worker.h"

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
  /// By hash worker; empty without a ledger. An rx worker has a ring to each of them, and one back.
  struct HashRunner {
    unsigned runner =
        0;  ///< of all that run: workers first, then hash workers; the rx worker where it is in place
    unsigned cpu = 0;
    bool is_in_place = false;  ///< runs within the rx worker of that index
  };
  std::vector<HashRunner> hash_runners;
};

/// rx workers hand packets to every other worker (flows to balancers, neighbor packets to all), balancers
/// to each other. A worker beyond a device's TX queues hands frames to one that has a queue on every device.
Topology plan_topology(const BootConfig& config, std::span<const PortPlan> ports);

}  // namespace sluice::dataplane
