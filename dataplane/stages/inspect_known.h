// The part of inspection that is on the short ways: clients' segments that come one after the other, as
// nearly all do, scanned a burst at a time. Called by the worker that owns the flows. docs/decisions/0051.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/packet/plain_packets.h"
#include "dataplane/worker/worker.h"
#include "lb/flow_entry.h"

namespace sluice::dataplane {

/// Looks at the packets of a burst from number `first` on; `flows` are those that they may be of. Answers a
/// bit for each that is the next one of its stream, or says nothing new, and passes: it has been seen, and
/// goes on as if nobody watched its flow. To the others nothing has happened that inspect() does not know of.
uint64_t inspect_known(Worker& worker, const PlainPackets& packets, std::span<lb::FlowEntry* const> flows,
                       size_t first);

}  // namespace sluice::dataplane
