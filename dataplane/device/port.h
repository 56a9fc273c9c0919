// A configured port's device: found, planned, set up, started. Tolerant of drivers that have one queue,
// no RSS, no checksum offload, no MTU setting. Control thread.
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <string>

#include "common/result.h"
#include "dataplane/device/boot_config.h"

namespace sluice::dataplane {

/// What was found out about a device, and what it will be set up with.
struct PortPlan {
  uint16_t device = UINT16_MAX;  ///< DPDK port id
  std::string driver;
  int numa_node = -1;  ///< -1: any
  uint16_t rx_queues = 1;
  uint16_t tx_queues = 1;
  uint16_t rx_descriptors = 1024;  ///< of each queue
  uint16_t tx_descriptors = 1024;
  bool splits_flows = false;  ///< several RX queues, and no RSS that keeps a flow on one of them
};

/// The virtual device's arguments with what it needs for several workers and the user has not said:
/// af_packet opens one queue pair unless told. Pure.
std::string device_arguments(const std::string& device, unsigned rx_workers);

/// Finds the PCI device that EAL probed, or creates the virtual one, and plans its queues: at most one RX
/// queue for each rx worker and one TX queue for each worker. An Error names the device and its driver's
/// reason. `surroundings`, where there are any, make all devices.
Result<PortPlan> attach_device(const PortConfig& config, unsigned rx_workers, unsigned workers,
                               Surroundings* surroundings);

/// Configures the device by its plan. Returns the MAC address that the port has: the configured one even
/// where the device cannot take it (it is made promiscuous then), or the device's own. A device without one
/// gets a locally administered address made from `index`.
Result<MacAddress> set_up_device(const PortPlan& plan, const PortConfig& config, unsigned index,
                                 rte_mempool* pool);
Result<void> start_device(const PortPlan& plan, const PortConfig& config);
/// Stops and closes a device in whatever state it is.
void close_device(uint16_t device);

}  // namespace sluice::dataplane
