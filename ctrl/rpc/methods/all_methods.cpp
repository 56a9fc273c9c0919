#include <algorithm>
#include <iterator>

#include "ctrl/rpc/methods/methods.h"

namespace sluice::ctrl {

std::vector<Method> all_methods() {
  std::vector<Method> all;
  for (auto* noun :
       {backend_methods, capture_methods, change_methods, config_methods, drop_methods, event_methods,
        flow_methods, inspection_methods, ledger_methods, log_methods, neighbor_methods, service_methods,
        source_methods, stats_methods, system_methods, trace_methods, tunnel_methods}) {
    std::ranges::move(noun(), std::back_inserter(all));
  }
  std::ranges::sort(all, {}, &Method::name);
  return all;
}

}  // namespace sluice::ctrl
