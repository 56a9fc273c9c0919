// The kernel exception path of a port with `kernel: true`: a tap device that has the port's MAC address and
// addresses, so that programs on this machine (routing daemons, ssh) live behind the gateway's port.
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <string>

#include "common/result.h"
#include "dataplane/device/boot_config.h"

namespace sluice::dataplane {

struct KernelTap {
  uint16_t device = UINT16_MAX;  ///< DPDK port id; UINT16_MAX: the port has no tap
  uint16_t queues = 0;           ///< queue i is worker i's, both ways
  std::string interface;         ///< the kernel's name for it
};

/// `sl-` and the port's name where that can be an interface's name, else `sl-port<index>`. Pure.
std::string tap_interface_name(const std::string& port_name, unsigned index);

/// Creates the tap and sets up its queues. Control thread.
Result<KernelTap> open_kernel_tap(const PortConfig& config, unsigned index, const MacAddress& mac,
                                  unsigned workers, rte_mempool* pool);
/// Sets the link up and gives it the port's addresses. Control thread.
Result<void> start_kernel_tap(const KernelTap& tap, const PortConfig& config);

}  // namespace sluice::dataplane
