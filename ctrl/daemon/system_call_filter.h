// What the daemon may ask of the kernel once it has started. Main thread.
#pragma once

#include "common/result.h"

namespace sluice::ctrl {

/// From here on, for all threads and for good: no program is executed, no process is made, none is looked
/// into or traced, and nothing of the system as a whole is changed (mounts, modules, namespaces, users,
/// clocks, keys): each of these, and every system call that is not known here, fails with EPERM; one that is
/// younger than the list with ENOSYS. Devices must have been opened before. An Error where the kernel takes
/// no filter. Linux, seccomp(2), mode 2.
Result<void> filter_system_calls();

}  // namespace sluice::ctrl
