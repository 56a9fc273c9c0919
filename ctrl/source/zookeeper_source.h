// Backends from ZooKeeper: the children of a node.
#pragma once

#include <memory>

#include "ctrl/source/source.h"

namespace sluice::ctrl {

/// `endpoints` are HOST:PORT of the servers of one ensemble.
std::shared_ptr<Source> make_zookeeper_source(const SourceModel& model, SourceContext context);

}  // namespace sluice::ctrl
