// ESP tunnels, as Tables have them. Control thread.
#pragma once

#include <memory>

#include "ctrl/resolve/compile_step.h"
#include "dataplane/esp/tunnel_tables.h"

namespace sluice::ctrl {

/// The tunnels of a model with the associations that they have, by the routes and ports of `tables`. Null:
/// there are none.
std::shared_ptr<const dataplane::TunnelTables> tunnel_tables(const Model& model,
                                                             const TunnelAssociations* associations,
                                                             const dataplane::Tables& tables);

}  // namespace sluice::ctrl
