#include "ctrl/health/service_routes.h"

#include <algorithm>
#include <optional>
#include <string>

#include "ctrl/resolve/compile_network.h"

namespace sluice::ctrl {
namespace {

bool is_link_local(const IpAddress& address) {
  return address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0) == 0x80;
}

/// An address of the port that the backend's answers can come to, else of any other.
std::optional<IpAddress> own_address(const Model& model, size_t port, bool is_v4) {
  std::optional<IpAddress> other;
  for (size_t i = 0; i < model.boot.ports.size(); ++i) {
    for (const Prefix& own : model.boot.ports[i].addresses) {
      if (own.address.is_v4() != is_v4 || is_link_local(own.address)) continue;
      if (i == port) return own.address;
      if (!other) other = own.address;
    }
  }
  return other;
}

}  // namespace

ServiceRoutes::ServiceRoutes(boost::asio::io_context& io, Gateway& gateway)
    : gateway_(gateway), packets_(std::make_shared<CheckPackets>(io, gateway.check_lanes())) {}

void ServiceRoutes::follow(const std::shared_ptr<const Model>& model) {
  if (model == model_) return;
  paths_ = service_paths(*model);
  routes_ = route_table(*model);
  model_ = model;  // last: its strings are in `paths_`
}

std::vector<ServiceRoute> ServiceRoutes::to(const BackendKey& backend) {
  follow(gateway_.model());
  std::vector<ServiceRoute> routes;
  const auto found = paths_.find(backend.pool);
  if (found == paths_.end()) return routes;
  for (const ServicePath& path : found->second) routes.push_back(route_of(path, backend));
  return routes;
}

ServiceRoute ServiceRoutes::route_of(const ServicePath& path, const BackendKey& backend) const {
  ServiceRoute route{.service = path.service,
                     .mode = path.mode,
                     .backend = backend.address,
                     .own = {},
                     .address = {},
                     .port = 0,
                     .problem = {}};
  if (lb::is_nat(path.mode)) return route;
  const std::string where = "through service " + path.service + ": ";
  const dataplane::Route* const way = routes_->find(backend.address);
  if (way == nullptr) throw CheckImpossible(where + "no route to " + backend.address.to_string());
  const auto own = own_address(*model_, way->port, path.address.is_v4());
  if (!own) {
    throw CheckImpossible(where + "no port has an " + (path.address.is_v4() ? "IPv4" : "IPv6") +
                          " address for answers");
  }
  route.own = *own;
  route.address = path.address;
  route.port = path.port != 0 ? path.port : backend.port;
  route.problem = [this, port = way->port]() -> std::optional<std::string> {
    const dataplane::PortInfo info = gateway_.data_plane().ports()[port];
    if (info.link_up) return std::nullopt;
    return "the link of port " + info.name + " is down";
  };
  return route;
}

}  // namespace sluice::ctrl
