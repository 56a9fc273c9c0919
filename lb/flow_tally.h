// What a flow has carried, and how it ended: for the flow log, beside the flow table and as large, so that it
// costs nothing where there is no log. Values of the worker that owns the table.
#pragma once

#include <cstdint>

#include "common/flow_key.h"
#include "lb/backend.h"
#include "lb/flow_entry.h"
#include "lb/service.h"

namespace sluice::lb {

/// Why a record is written. A flow that FIN or RST has closed says so, whenever its entry leaves.
enum class FlowEnd : uint8_t {
  kFin,
  kReset,
  kIdle,
  kEvicted,   ///< it gave way to another
  kFlushed,   ///< an operator ended it
  kMoved,     ///< its backend takes it no longer: it is picked anew
  kRemoved,   ///< its service or backend is gone
  kShutdown,  ///< the gateway stops
  kActive,    ///< it goes on: no end
};

/// By FlowIndex of the client's entry. Times wrap as FlowEntry::last_seen_ms does.
struct alignas(64) FlowTally {
  uint64_t packets_in = 0;  ///< from the client
  uint64_t packets_out = 0;
  uint64_t bytes_in = 0;  ///< frames as received, before encapsulation
  uint64_t bytes_out = 0;
  uint64_t began_cycles = 0;     ///< TSC
  uint64_t answered_cycles = 0;  ///< when the handshake was over; 0: it was not
  uint32_t reported_ms = 0;      ///< when a record was written last
  uint8_t unused[12] = {};
};
static_assert(sizeof(FlowTally) == 64);

/// A record on its way to the control thread.
struct FlowRecord {
  FlowKey key;
  FlowTally tally;
  uint64_t ended_cycles = 0;
  ServiceId service = kNoService;
  BackendId backend = kNoBackend;
  FlowEnd end = FlowEnd::kIdle;
};

}  // namespace sluice::lb
