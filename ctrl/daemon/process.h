// What sluiced arranges for its whole process. Call at the start, from the main thread.
#pragma once

#include <cstddef>

namespace sluice::ctrl {

/// Connections of the control socket, of monitoring and of health checks each need a descriptor: as many as
/// may be, which is the hard limit. Returns how many there may be open.
size_t raise_descriptor_limit();

/// Makes SIGTERM and SIGINT end the process at once with status 0, until somebody else takes them. For the
/// time of starting, which may be long: no packet has been promised anything yet, and devices, locks and
/// memory are the kernel's to take back.
void leave_at_once_on_signals();

}  // namespace sluice::ctrl
