// full-nat: the backend sees one of the gateway's own addresses as client, and answers to it.
#pragma once

#include "dataplane/forward/path_rewrite.h"

namespace sluice::dataplane {

inline PathRewrite full_nat(const PathEnds&) {
  return {.treatment = Treatment::kTranslate};
}

}  // namespace sluice::dataplane
