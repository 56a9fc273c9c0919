// Echo requests (RFC 792, RFC 4443 4.1) to VIPs and to port addresses. Called by the worker that received
// the packet.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Answers an echo request to an address of a service, or of a port that leaves its own to nobody else;
/// passes others to punt(). Takes the packet over.
void answer_echo(Worker& worker, rte_mbuf* packet);

}  // namespace sluice::dataplane
