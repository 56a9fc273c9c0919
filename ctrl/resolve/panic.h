// Whether a pool balances over backends that are down, too: `panic` and `fail_open`. Pure; any thread.
#pragma once

#include <cstddef>

#include "ctrl/resolve/effective.h"

namespace sluice::ctrl {

/// Of the backends that neither drain nor are in maintenance; all of them count.
struct Panic {
  size_t healthy = 0;
  size_t down = 0;  ///< that take flows all the same; 0: there is no panic
};
Panic panic_of(const EffectivePool& pool);

/// A line in the log for each pool whose panic begins, or ends.
void log_panics(const Effective& before, const Effective& now);

}  // namespace sluice::ctrl
