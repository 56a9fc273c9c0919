// full-nat: the backend sees one of the gateway's own addresses as client, and answers to it.
#pragma once

#include "dataplane/forward/path_rewrite.h"

namespace sluice::dataplane {

inline PathRewrite full_nat(const PathEnds& ends) {
  return {.backend_address = ends.backend.address,
          .treatment = Treatment::kTranslate,
          .hides_client = true,
          .backend_port = ends.backend.port};
}

}  // namespace sluice::dataplane
