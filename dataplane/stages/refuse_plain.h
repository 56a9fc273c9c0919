// Drops what rules refuse before anything else is asked about it. Called by the worker that receives.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Holds the plain packets of a burst, one at least, which came in at `port`, against the access lists and
/// the limits on packets of their services, as Police does later, and drops those that do not pass. Returns
/// the others, moved to the front, in their order; nothing has changed about them, and no token is taken. It
/// is for floods: to be called as long as PoliceState::refusing is not 0, which says that something was
/// refused lately.
std::span<rte_mbuf*> refuse_plain(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames);

}  // namespace sluice::dataplane
