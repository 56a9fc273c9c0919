// What has registered itself with this gateway. Instances of a service, without asking anybody.
#pragma once

#include "ctrl/source/source.h"

namespace sluice::ctrl {

std::shared_ptr<Source> make_registry_source(const SourceModel& model, SourceContext context);

}  // namespace sluice::ctrl
