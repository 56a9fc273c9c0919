// Drops packets of a flood that rules refuse, before they are parsed. Called by the worker that receives.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Drops those plain packets of a burst, received at `port`, that the access lists and the limits on packets
/// of their services refuse, as Police would later. Returns the others, moved to the front, in their order
/// and unchanged; no token is taken for them. `frames` is not empty. To be called while PoliceState::refusing
/// is not 0, that is, while packets have been refused lately.
std::span<rte_mbuf*> refuse_plain(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames);

}  // namespace sluice::dataplane
