#include "tests/support/test_tables.h"

#include <cstdio>
#include <cstdlib>

namespace sluice::test {
namespace {

using dataplane::NextHop;
using dataplane::PortView;
using dataplane::Route;
using dataplane::Tables;

template <typename T>
T must(Result<T> result) {
  if (result) return *result;
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::abort();
}

IpAddress address(const std::string& text) {
  return must(IpAddress::parse(text));
}

PortView port(const char* mac, const char* address4, const char* address6, const char* link_local) {
  PortView view;
  view.mac = must(MacAddress::parse(mac));
  view.addresses = {must(Prefix::parse(address4, true)), must(Prefix::parse(address6, true))};
  view.link_local = address(link_local);
  return view;
}

std::unique_ptr<const dataplane::RouteTable> routes() {
  const auto on_link = [](const char* to, uint16_t port) {
    return Route{must(Prefix::parse(to)), port, true, {}};
  };
  const Route all[] = {on_link("10.10.0.0/24", kEdge),
                       on_link("fd10::/64", kEdge),
                       on_link("10.20.0.0/24", kCore),
                       on_link("fd20::/64", kCore),
                       {must(Prefix::parse("0.0.0.0/0")), kEdge, false, address(kIpv4.router)},
                       {must(Prefix::parse("::/0")), kEdge, false, address(kIpv6.router)}};
  return dataplane::RouteTable::build(all);
}

/// Whether backends in that state are in the table of their pool, and keep their flows.
bool takes_new_flows(const BackendSpec& spec) {
  return spec.state == lb::BackendState::kActive && spec.weight > 0;
}
bool keeps_flows(const BackendSpec& spec) {
  return spec.state == lb::BackendState::kActive || spec.state == lb::BackendState::kDraining;
}

}  // namespace

std::string mac_of(const std::string& backend) {
  return "02:00:00:00:20:" + backend.substr(backend.find_last_of(".:") + 1);
}

std::shared_ptr<Tables> make_tables(const std::vector<ServiceSpec>& specs) {
  auto tables = std::make_shared<Tables>();
  tables->generation = 1;
  tables->hash_key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  tables->ports = {port(kEdgeMac, "10.10.0.1/24", "fd10::1/64", "fe80::ff:fe00:1"),
                   port(kCoreMac, "10.20.0.1/24", "fd20::1/64", "fe80::ff:fe00:2")};
  tables->routes = routes();
  tables->snat = {address(kIpv4.snat), address(kIpv6.snat)};
  std::vector<IpAddress> own = tables->snat;
  for (const PortView& view : tables->ports) {
    own.push_back(view.link_local);
    for (const Prefix& prefix : view.addresses) own.push_back(prefix.address);
  }
  tables->own_addresses = std::make_shared<const dataplane::AddressSet>(own);
  tables->encapsulation = {address(kIpv4.edge), address(kIpv6.edge), 6080};
  for (const Family& family : {kIpv4, kIpv6}) {
    tables->neighbors.push_back({kEdge, address(family.router), must(MacAddress::parse(kRouterMac))});
    for (const char* backend : {family.backend, family.backend2, family.backend3}) {
      tables->neighbors.push_back({kCore, address(backend), must(MacAddress::parse(mac_of(backend)))});
    }
  }
  auto services = std::make_shared<std::vector<lb::Service>>();
  auto backends = std::make_shared<std::vector<lb::Backend>>();
  auto next_hops = std::make_shared<std::vector<NextHop>>();
  std::vector<lb::ServiceMatch> matches;
  std::vector<IpAddress> dnat_backends;
  for (const ServiceSpec& spec : specs) {
    const auto id = static_cast<uint32_t>(services->size());
    std::vector<lb::WeightedEndpoint> eligible;
    for (const BackendSpec& backend : spec.backends) {
      const auto backend_id = static_cast<lb::BackendId>(backends->size());
      const IpAddress where = address(backend.address);
      const uint32_t next_hop = backend.has_route ? static_cast<uint32_t>(next_hops->size()) : UINT32_MAX;
      if (backend.has_route) next_hops->push_back({kCore, where});
      backends->push_back({where, Be16::from_host(backend.port), backend.state, keeps_flows(backend),
                           backend.weight, next_hop});
      if (spec.forward == lb::ForwardMode::kDnat) dnat_backends.push_back(where);
      if (!takes_new_flows(backend)) continue;
      eligible.push_back({{where, Be16::from_host(backend.port), spec.protocol}, backend.weight, backend_id});
    }
    const auto pool = lb::PoolTable::build(id, eligible, 1021, tables->hash_key, {.schedule = true});
    tables->pools.push_back(pool);
    services->push_back({pool.get(), spec.policy, spec.forward, spec.protocol, spec.idle_timeout_ms});
    matches.push_back(
        {must(Prefix::parse(spec.address)), spec.first_port, spec.last_port, spec.protocol, id});
  }
  tables->service_table = lb::ServiceTable::build(matches);
  tables->services = services;
  tables->backends = backends;
  tables->next_hops = next_hops;
  if (!dnat_backends.empty()) {
    tables->dnat_backends = std::make_shared<const dataplane::AddressSet>(dnat_backends);
  }
  return tables;
}

}  // namespace sluice::test
