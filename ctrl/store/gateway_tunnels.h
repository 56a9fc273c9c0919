// Tunnels' part of a change of configuration; for gateway*.cpp alone.
#pragma once

#include <chrono>
#include <memory>

#include "common/result.h"
#include "ctrl/intent/fault.h"
#include "ctrl/intent/model.h"
#include "ctrl/store/event_hub.h"
#include "ctrl/tunnel/tunnel_states.h"

namespace sluice::ctrl {

/// What tunnels will have under another intent; null: there are none, and were none. `states` are made with
/// the first tunnel, for that many workers.
Outcome<std::shared_ptr<TunnelPlan>> plan_tunnels(std::shared_ptr<TunnelStates>& states, const Model& next,
                                                  unsigned workers, bool is_rehearsal);

/// Notes what states tunnels are in by now, and says which are others than before.
void look_at_tunnels(TunnelStates& states, const Model& model, std::chrono::system_clock::time_point now,
                     EventHub& events);

/// What compile() is to make Tables of: the plan, if there is one, else what counts now.
const TunnelAssociations* associations_of(const std::shared_ptr<TunnelStates>& states,
                                          const std::shared_ptr<TunnelPlan>& plan);

}  // namespace sluice::ctrl
