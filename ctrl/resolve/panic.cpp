#include "ctrl/resolve/panic.h"

#include "ctrl/intent/model_changes.h"
#include "ctrl/log/log_line.h"

namespace sluice::ctrl {

Panic panic_of(const EffectivePool& pool) {
  Panic panic;
  for (const EffectiveBackend& backend : pool.backends) {
    panic.healthy += backend.state == lb::BackendState::kActive;
    panic.down += backend.state == lb::BackendState::kDown && backend.keeps_flows;
  }
  return panic;
}

void log_panics(const Effective& before, const Effective& now) {
  for_each_difference(before.pools, now.pools,
                      [](const std::string& name, const EffectivePool* old_pool, const EffectivePool* pool) {
                        if (!pool) return;
                        const bool was_in_panic = old_pool && panic_of(*old_pool).down > 0;
                        const Panic panic = panic_of(*pool);
                        if (was_in_panic == (panic.down > 0)) return;
                        if (was_in_panic) {
                          log_info({"pool is no longer in panic: pool=", name, " healthy=", panic.healthy});
                        } else {
                          log_warning({"pool is in panic and balances over those that are down, too: pool=",
                                       name, " healthy=", panic.healthy, " down=", panic.down});
                        }
                      });
}

}  // namespace sluice::ctrl
