// DPDK's environment: its arguments made from the configuration, its messages turned into ours, its
// failures into one line each. Control thread; once per process.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "dataplane/device/boot_config.h"

namespace sluice::dataplane {

/// What the arguments depend on besides the configuration.
struct MachineFacts {
  std::vector<unsigned> allowed_cpus;  ///< that this process may run on, ascending
  bool has_huge_pages = false;         ///< some are reserved, of any size
};
MachineFacts read_machine_facts();

/// The lcore that runner `index` (workers first, then hash workers) has; lcore 0 is the control thread's.
constexpr unsigned lcore_of(unsigned index) {
  return index + 1;
}

/// Whether a device is named by its PCI address (`0000:3b:00.0`, with arguments or without).
bool is_pci_device(const std::string& device);

/// rte_eal_init()'s arguments, the program's name first. Virtual devices are not among them: attach_device()
/// adds those one by one, so that each failure has a name. Pure.
Result<std::vector<std::string>> eal_arguments(const BootConfig& config, const MachineFacts& machine);

/// Initialises EAL. The calling thread keeps the CPUs that it may run on, but for those on which workers spin
/// (IdleMode::kPoll): no other thread of the process runs there, if that leaves any.
Result<void> start_eal(const BootConfig& config);
void stop_eal();

}  // namespace sluice::dataplane
