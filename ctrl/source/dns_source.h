// Backends from DNS: SRV records with the addresses of their targets, or A and AAAA records.
#pragma once

#include <memory>

#include "ctrl/source/source.h"

namespace sluice::ctrl {

/// `endpoints` are ADDRESS:PORT of servers; empty: the system's.
std::shared_ptr<Source> make_dns_source(const SourceModel& model, SourceContext context);

}  // namespace sluice::ctrl
