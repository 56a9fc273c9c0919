// What the kernel sends on the tap of a port leaves by the port.
#pragma once

#include <span>

#include "dataplane/device/kernel_tap.h"
#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Sends by the ports what the kernel has sent on their taps, unchanged but for the port's VLAN tags; through
/// ESP tunnels what is for where they lead. `taps` by configured port. On a worker; returns how many frames.
unsigned relay_from_kernel(Worker& worker, std::span<const KernelTap> taps);

}  // namespace sluice::dataplane
