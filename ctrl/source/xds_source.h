// Endpoints of clusters from an xDS control plane: CDS and EDS over one aggregated stream for all
// subscriptions.
#pragma once

#include "ctrl/source/source.h"

namespace sluice::ctrl {

std::shared_ptr<Source> make_xds_source(const SourceModel& model, SourceContext context);

}  // namespace sluice::ctrl
