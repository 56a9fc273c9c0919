// Backends from etcd: every key below a prefix is an instance.
#pragma once

#include <memory>

#include "ctrl/source/source.h"

namespace sluice::ctrl {

/// `endpoints` are URLs of etcd 3's client port, whose JSON gateway is spoken to.
std::shared_ptr<Source> make_etcd_source(const SourceModel& model, SourceContext context);

}  // namespace sluice::ctrl
