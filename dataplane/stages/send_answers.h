// The way out for what the hash workers answer. Called by the worker that received the requests.
#pragma once

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Routes and sends a burst from every hash worker's ring. Returns how many packets that were.
unsigned send_answers(Worker& worker);

}  // namespace sluice::dataplane
