// A packet that was dropped lately, as a worker remembers it. Values.
#pragma once

#include <cstdint>

#include "dataplane/tables/drop_recorder.h"

namespace sluice::ctrl {

struct RecentDrop {
  unsigned worker;
  uint64_t time_ns;  ///< since 1970
  dataplane::DropRecord record;
};

}  // namespace sluice::ctrl
