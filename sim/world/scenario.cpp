#include "sim/world/scenario.h"

#include <array>
#include <nlohmann/json.hpp>

namespace sluice::sim {
namespace {

using nlohmann::json;

constexpr const char* kRegistry = "registry";
constexpr unsigned kUnlisted = 2;  ///< backends of each pool that changes may add

IpAddress address_of(const std::string& text) {
  return *IpAddress::parse(text);
}

std::string backend_address(bool is_v6, unsigned number) {
  return (is_v6 ? "2001:db8:20::" : "198.18.20.") + std::to_string(11 + number);
}

PoolPlan draw_pool(Chance& chance, const ServicePlan& service, unsigned number, unsigned& backends) {
  PoolPlan pool{"pool" + std::to_string(number), {}};
  const auto listed = static_cast<unsigned>(chance.between(1, 5));
  for (unsigned i = 0; i < listed + kUnlisted; ++i) {
    BackendPlan backend;
    backend.address = address_of(backend_address(service.address.is_v6(), backends++));
    backend.port = service.translates() ? 8080 : 0;
    backend.weight = chance.happens(700) ? 1 : static_cast<uint32_t>(chance.between(1, 10));
    backend.is_listed = i < listed;
    pool.backends.push_back(backend);
  }
  return pool;
}

void draw_services(Chance& chance, Scenario& scenario) {
  static const std::array<std::string, 5> kForwards = {"full-nat", "dnat", "ipip", "gue", "direct"};
  static const std::array<std::string, 6> kPolicies = {"maglev", "source-hash", "weighted-round-robin",
                                                       "random", "two-choices", "least-connections"};
  const auto count = static_cast<unsigned>(chance.between(1, 5));
  unsigned backends = 0;
  for (unsigned i = 0; i < count; ++i) {
    ServicePlan service;
    service.name = "service" + std::to_string(i);
    const bool is_v6 = chance.happens(400);
    service.address = address_of((is_v6 ? "2001:db8:f::" : "203.0.113.") + std::to_string(10 + i));
    service.protocol = chance.happens(750) ? IpProtocol::kTcp : IpProtocol::kUdp;
    service.forward = chance.pick(kForwards);
    service.policy = chance.pick(kPolicies);
    service.pool = i;
    scenario.pools.push_back(draw_pool(chance, service, i, backends));
    scenario.services.push_back(service);
  }
}

void draw_shape(Chance& chance, Scenario& scenario) {
  scenario.workers = static_cast<unsigned>(chance.between(1, 3));
  scenario.lb_workers = chance.happens(250) ? static_cast<unsigned>(chance.between(1, 2)) : 0;
  scenario.rx_queues = static_cast<unsigned>(chance.between(1, scenario.workers));
  scenario.flow_table_entries = 1u << chance.between(10, 14);
  constexpr Nanoseconds kWrap = (Nanoseconds{1} << 32) * kMillisecondNs;  // of milliseconds in 32 bits
  scenario.begin = chance.happens(200) ? kWrap - chance.between(1, 20) * kSecondNs
                                       : chance.between(1, 1'000'000) * kMillisecondNs;
  scenario.busy = chance.between(4, 15) * kSecondNs;
  scenario.connections = static_cast<unsigned>(chance.between(20, 200));
}

std::optional<LedgerPlan> draw_ledger(uint64_t seed) {
  Chance chance(seed ^ 0x6c6f67);
  if (!chance.happens(300)) return std::nullopt;
  LedgerPlan plan;
  plan.hash_workers = chance.happens(500) ? static_cast<unsigned>(chance.between(1, 2)) : 0;
  plan.window = static_cast<unsigned>(chance.between(64, 1000));
  plan.seal_transactions = static_cast<unsigned>(chance.between(1, 32));
  plan.seal_ms = static_cast<unsigned>(chance.between(1, 20));
  plan.checkpoint_ms = static_cast<unsigned>(chance.between(10, 200));
  plan.transactions = static_cast<unsigned>(chance.between(20, 400));
  plan.has_disk_faults = chance.happens(500);
  return plan;
}

json ledger_section(const LedgerPlan& plan, unsigned gateway) {
  json ingress = json::array();
  for (const bool is_v6 : {false, true}) {
    ingress.push_back({{"address", ingress_address(is_v6).to_string()},
                       {"port", kCoapPort},
                       {"framing", "coap"},
                       {"profile", "opaque"}});
  }
  return {
      {"origin", kLogOrigin},
      {"directory", log_directory(plan, gateway)},
      {"signing_key", "file:" + log_key_path(plan, gateway)},
      {"ingress", std::move(ingress)},
      {"seal", {{"transactions", plan.seal_transactions}, {"delay", std::to_string(plan.seal_ms) + "ms"}}},
      {"checkpoint_interval", std::to_string(plan.checkpoint_ms) + "ms"},
      {"dedupe_window", plan.window},
      {"sha256", "openssl"},
      {"on_failure", "refuse"}};
}

std::string next_port_range(const ServicePlan& plan) {
  return std::to_string(plan.port) + "-" + std::to_string(plan.port + 1);
}

}  // namespace

std::string log_directory(const LedgerPlan& plan, unsigned gateway) {
  return plan.directory + "/log" + std::to_string(gateway);
}

std::string log_key_path(const LedgerPlan& plan, unsigned gateway) {
  return plan.directory + "/key" + std::to_string(gateway);
}

IpAddress ingress_address(bool is_v6) {
  return address_of(is_v6 ? "2001:db8:f::250" : "203.0.113.250");
}

MacAddress gateway_mac(unsigned gateway, unsigned port) {
  return {{0x02, 0, 0, 0, static_cast<uint8_t>(gateway), static_cast<uint8_t>(port + 1)}};
}

IpAddress port_address(unsigned gateway, unsigned port, bool is_v6) {
  const std::string net = std::to_string(10 * (port + 1)), host = std::to_string(1 + gateway);
  return address_of(is_v6 ? "2001:db8:" + net + "::" + host : "198.18." + net + "." + host);
}

IpAddress snat_address(unsigned gateway, bool is_v6) {
  return address_of((is_v6 ? "2001:db8:20::" : "198.18.20.") + std::to_string(5 + gateway));
}

Scenario draw_scenario(uint64_t seed) {
  Chance chance(seed);
  Scenario scenario;
  scenario.seed = seed;
  draw_shape(chance, scenario);
  draw_services(chance, scenario);
  const auto clients = static_cast<unsigned>(chance.between(1, 12));
  for (unsigned i = 0; i < clients; ++i) {
    scenario.clients.push_back(address_of("198.18.10." + std::to_string(100 + i)));
    scenario.clients.push_back(address_of("2001:db8:10::" + std::to_string(100 + i)));
  }
  if (chance.happens(400)) {
    scenario.wire = {static_cast<unsigned>(chance.below(50)), static_cast<unsigned>(chance.below(50)),
                     static_cast<unsigned>(chance.below(100))};
  }
  scenario.has_changes = chance.happens(600);
  scenario.has_deaths = chance.happens(400);
  scenario.has_floods = chance.happens(300);
  scenario.has_forgers = chance.happens(400);
  scenario.has_stalls = chance.happens(300);
  scenario.gateways = chance.happens(650) ? 1 : static_cast<unsigned>(chance.between(2, kMostGateways));
  for (PoolPlan& pool : scenario.pools) pool.is_discovered = chance.happens(300);
  scenario.has_outages = chance.happens(scenario.gateways > 1 ? 700 : 200);
  scenario.ledger = draw_ledger(seed);
  scenario.has_crowds = Chance(seed ^ 0x63726f776473).happens(150);
  return scenario;
}

Scenario typical_scenario(uint64_t seed) {
  Scenario scenario = draw_scenario(seed);
  scenario.gateways = 3;
  scenario.connections = 1000;
  scenario.busy = 60 * kSecondNs;
  scenario.has_floods = false;
  scenario.has_crowds = false;
  scenario.ledger.reset();
  size_t hosts = scenario.clients.size();
  for (const PoolPlan& pool : scenario.pools) hosts += pool.backends.size();
  for (unsigned i = 0; hosts < 20; hosts += 2, ++i) {
    scenario.clients.push_back(address_of("198.18.10." + std::to_string(200 + i)));
    scenario.clients.push_back(address_of("2001:db8:10::" + std::to_string(200 + i)));
  }
  return scenario;
}

std::string Scenario::to_string() const {
  std::string text = "seed " + std::to_string(seed) + ": " + std::to_string(gateways) + " gateways of " +
                     std::to_string(workers) + "+" + std::to_string(lb_workers) + " workers, " +
                     std::to_string(rx_queues) + " queues, " + std::to_string(flow_table_entries) +
                     " flow entries, " + std::to_string(connections) + " connections, wire " +
                     std::to_string(wire.lost) + "/" + std::to_string(wire.doubled) + "/" +
                     std::to_string(wire.delayed);
  const auto add = [&](bool is_so, const char* word) { text += is_so ? std::string(", ") + word : ""; };
  add(has_changes, "changes");
  add(has_deaths, "deaths");
  add(has_floods, "floods");
  add(has_crowds, "crowds");
  add(has_forgers, "forgers");
  add(has_stalls, "stalls");
  add(has_outages, "outages");
  if (ledger)
    text += ", a ledger with " + std::to_string(ledger->hash_workers) + " hash workers and " +
            std::to_string(ledger->transactions) + " transactions" +
            (ledger->has_disk_faults ? ", disk faults" : "");
  for (const ServicePlan& service : services) {
    text += "; " + service.name + " " + endpoint_text(service.address, service.port) +
            (service.protocol == IpProtocol::kTcp ? " tcp " : " udp ") + service.forward + " " +
            service.policy;
  }
  return text;
}

json configuration(const Scenario& scenario, unsigned gateway) {
  json ports = json::array();
  const std::array<const char*, 2> names = {"edge", "core"};
  for (unsigned port = 0; port < names.size(); ++port) {
    ports.push_back({{"name", names[port]},
                     {"device", "simulated" + std::to_string(port)},
                     {"mac", gateway_mac(gateway, port).to_string()},
                     {"addresses",
                      {port_address(gateway, port, false).to_string() + "/24",
                       port_address(gateway, port, true).to_string() + "/64"}}});
  }
  json pools = json::array();
  for (const PoolPlan& plan : scenario.pools) {
    json backends = json::array();
    for (const BackendPlan& backend : plan.backends) {
      if (!backend.is_listed || plan.is_discovered) continue;
      backends.push_back(
          {{"address", backend.address.to_string()}, {"port", backend.port}, {"weight", backend.weight}});
    }
    json pool = {{"name", plan.name},
                 {"backends", std::move(backends)},
                 {"table_size", 1021},
                 {"health",
                  {{"type", "tcp"},
                   {"port", 8080},
                   {"interval", "400ms"},
                   {"timeout", "200ms"},
                   {"rise", 2},
                   {"fall", 2}}}};
    if (plan.is_discovered)
      pool["discover"] = {{"source", kRegistry}, {"path", "/" + plan.name + ".json"}, {"withdraw", "remove"}};
    pools.push_back(std::move(pool));
  }
  json services = json::array();
  for (const ServicePlan& plan : scenario.services) {
    services.push_back({{"name", plan.name},
                        {"address", plan.address.to_string()},
                        {"port", plan.has_next_port ? json(next_port_range(plan)) : json(plan.port)},
                        {"protocol", plan.protocol == IpProtocol::kTcp ? "tcp" : "udp"},
                        {"policy", plan.policy},
                        {"forward", plan.forward},
                        {"pool", scenario.pools[plan.pool].name},
                        {"idle_timeout", {{"tcp", "20s"}, {"udp", "5s"}}}});
  }
  json config = {
      {"gateway",
       {{"name", "simulated" + std::to_string(gateway)},
        {"eal", simulated_eal()},
        {"idle", "poll"},
        {"workers", std::vector<unsigned>(scenario.workers, simulated_cpu())},
        {"lb_workers", std::vector<unsigned>(scenario.lb_workers, simulated_cpu())},
        {"flow_table_entries", scenario.flow_table_entries},
        {"hash_key", "000102030405060708090a0b0c0d0e0f"}}},
      {"ports", std::move(ports)},
      {"snat", {snat_address(gateway, false).to_string(), snat_address(gateway, true).to_string()}},
      {"encap",
       {{"source", port_address(gateway, kCore, false).to_string()},
        {"source6", port_address(gateway, kCore, true).to_string()},
        {"gue_port", kGuePort}}},
      {"sources", {{{"name", kRegistry}, {"type", "file"}}}},
      {"pools", std::move(pools)},
      {"services", std::move(services)}};
  if (!scenario.ledger) return config;
  config["gateway"]["hash_workers"] = std::vector<unsigned>(scenario.ledger->hash_workers, simulated_cpu());
  config["ledger"] = ledger_section(*scenario.ledger, gateway);
  return config;
}

}  // namespace sluice::sim
