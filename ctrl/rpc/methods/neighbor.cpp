#include "ctrl/rpc/methods/methods.h"
#include "dataplane/roles/dataplane.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

const char* word_for_state(dataplane::NeighborState state) {
  switch (state) {
    case dataplane::NeighborState::kFree:
      return "free";
    case dataplane::NeighborState::kIncomplete:
      return "incomplete";
    case dataplane::NeighborState::kReachable:
      return "reachable";
    case dataplane::NeighborState::kStale:
      return "stale";
    case dataplane::NeighborState::kStatic:
      return "static";
  }
  return "";
}

void list_neighbors(MethodContext& context, const Call&, Reply reply) {
  const auto ports = context.gateway.data_plane().ports();
  json rows = json::array();
  for (const auto& neighbor : context.gateway.data_plane().neighbors()) {
    const bool known = neighbor.state != dataplane::NeighborState::kIncomplete;
    rows.push_back({{"port", neighbor.port < ports.size() ? json(ports[neighbor.port].name) : json(nullptr)},
                    {"address", neighbor.address.to_string()},
                    {"mac", known ? json(neighbor.mac.to_string()) : json(nullptr)},
                    {"state", word_for_state(neighbor.state)}});
  }
  reply(std::move(rows));
}

}  // namespace

std::vector<Method> neighbor_methods() {
  return {{"neighbor.list",
           Role::kView,
           "The neighbors that ARP and NDP know, and the static ones.",
           "a list of `{port, address, mac, state}`",
           {},
           list_neighbors}};
}

}  // namespace sluice::ctrl
