// Backends from Kubernetes: the endpoints in the EndpointSlices of a service.
#pragma once

#include <memory>

#include "ctrl/source/source.h"

namespace sluice::ctrl {

/// `endpoints` are URLs of API servers; left out they, the token and the authorities are those that a pod
/// finds in its environment.
std::shared_ptr<Source> make_kubernetes_source(const SourceModel& model, SourceContext context);

}  // namespace sluice::ctrl
