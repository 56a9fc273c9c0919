// dnat: the backend sees the client, and answers by way of the gateway because that is its router.
#pragma once

#include "dataplane/forward/path_rewrite.h"

namespace sluice::dataplane {

inline PathRewrite dnat(const PathEnds&) {
  return {.treatment = Treatment::kTranslate};
}

}  // namespace sluice::dataplane
