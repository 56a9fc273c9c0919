// Has flows counted while somebody reads records of them. Called by the worker that owns the flows.
#pragma once

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Does as the newest Tables say. Once for new Tables, before any packet meets them.
void account_flows(Worker& worker);

/// Tells of all flows that there are, as the worker ends: it waits for whoever reads, a few seconds at most,
/// and counts what is lost then. After the last packet.
void tell_last_flows(Worker& worker);

}  // namespace sluice::dataplane
