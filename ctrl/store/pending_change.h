// A configuration that is taken back by itself unless somebody confirms it in time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "ctrl/intent/model.h"

namespace sluice::ctrl {

struct PendingChange {
  uint64_t generation;                  ///< that is to be confirmed
  uint64_t base;                        ///< the generation that it gives way to
  std::shared_ptr<const Model> before;  ///< that one's configuration
  std::chrono::steady_clock::time_point deadline;
};

}  // namespace sluice::ctrl
