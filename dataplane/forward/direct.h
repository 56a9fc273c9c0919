// direct: the packet as it is, to the backend's MAC address. The backend has the service's address itself.
#pragma once

#include "dataplane/forward/path_rewrite.h"

namespace sluice::dataplane {

inline PathRewrite direct(const PathEnds&) {
  return {.treatment = Treatment::kKeep};
}

}  // namespace sluice::dataplane
