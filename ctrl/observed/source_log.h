// Log lines for what becomes of sources: each state once, each entry that cannot be read once, so many a
// second.
#pragma once

#include <string>

#include "ctrl/observed/discovered_pool.h"
#include "ctrl/observed/transition_log.h"

namespace sluice::ctrl {

class SourceLog {
 public:
  /// Another state, or another reason for it. No pool: of the services that the source brings.
  void state(const std::string& source, const std::string& pool, const DiscoveredPool& now,
             LineBudget::Time time);
  void left_out(const std::string& source, const std::string& pool, const std::string& entry,
                LineBudget::Time time);
  /// Says what was not said. Often.
  void tick(LineBudget::Time now);

 private:
  LineBudget states_;
  LineBudget entries_;
};

}  // namespace sluice::ctrl
