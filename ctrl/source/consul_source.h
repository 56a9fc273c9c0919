// Backends from Consul: the instances of a service whose checks pass or warn.
#pragma once

#include <memory>

#include "ctrl/source/source.h"

namespace sluice::ctrl {

/// `endpoints` are URLs of agents or servers.
std::shared_ptr<Source> make_consul_source(const SourceModel& model, SourceContext context);

}  // namespace sluice::ctrl
