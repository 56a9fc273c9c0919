// The ICMP errors that belong to translated flows. Pure functions on bytes; any thread.
#pragma once

#include <cstdint>
#include <span>

#include "common/flow_key.h"
#include "dataplane/base/drop_reason.h"

namespace sluice::dataplane {

/// What translation is, for an ICMP error about a packet of a flow, travelling to `to.destination`. `to` is
/// what a packet of that flow would be translated to that goes the same way as the error; what the error
/// quotes went the other way, and gets to.reversed(). `source` becomes the error's own source. `ip` ends with
/// the packet; the quote, which may be cut, is of the kind that parse_quote() calls kFlow.
DropReason translate_icmp_error(std::span<uint8_t> ip, size_t l4_offset, const IpAddress& source,
                                const FlowKey& to);

}  // namespace sluice::dataplane
