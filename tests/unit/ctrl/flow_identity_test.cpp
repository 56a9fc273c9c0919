// Which flows go on through changes of the configuration: random configurations, compiled one after another,
// under a real balancer, beside a naive twin that knows nothing of numbers. It says of each flow, from the
// configuration's text alone, whether its packets meet the same as before.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "tests/unit/ctrl/compiled_flows.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

struct Random {
  std::mt19937 engine;
  size_t below(size_t bound) { return std::uniform_int_distribution<size_t>(0, bound - 1)(engine); }
  bool once_in(size_t n) { return below(n) == 0; }
  template <typename T>
  const T& one_of(const std::vector<T>& list) {
    return list[below(list.size())];
  }
};

struct ServicePlace {
  std::string address;
  unsigned prefix, first_port, last_port;
  std::string protocol;
};

/// A configuration as the twin sees it.
struct DraftConfig {
  struct Service {
    std::string name, pool, forward, policy;
    ServicePlace where;
  };
  std::map<std::string, std::set<std::pair<std::string, unsigned>>> pools;
  std::vector<Service> services;
  std::vector<std::string> snat;
};

uint32_t number_of(const std::string& address) {
  return IpAddress::parse(address)->as_v4().host();
}

bool covers(const ServicePlace& where, const std::string& address, unsigned port,
            const std::string& protocol) {
  return where.protocol == protocol && where.first_port <= port && port <= where.last_port &&
         number_of(where.address) >> (32 - where.prefix) == number_of(address) >> (32 - where.prefix);
}

bool overlap(const ServicePlace& a, const ServicePlace& b) {
  const unsigned shorter = std::min(a.prefix, b.prefix);
  return a.protocol == b.protocol && a.first_port <= b.last_port && b.first_port <= a.last_port &&
         number_of(a.address) >> (32 - shorter) == number_of(b.address) >> (32 - shorter);
}

DraftConfig any_draft(Random& random) {
  DraftConfig draft;
  const std::vector<std::string> pool_names{"red", "green", "blue"};
  for (const std::string& name : pool_names) {
    auto& pool = draft.pools[name];
    const size_t size = 1 + random.below(4);
    while (pool.size() < size) {
      pool.emplace("198.51.100." + std::to_string(11 + random.below(3)),
                   random.one_of(std::vector<unsigned>{8080, 8080, 8081, 0, 80}));
    }
  }
  if (random.once_in(2)) draft.pools["violet"] = draft.pools["red"];  // the same under another name
  const std::vector<ServicePlace> places{
      {"203.0.113.10", 32, 80, 80, "tcp"},   {"203.0.113.10", 32, 80, 81, "tcp"},
      {"203.0.113.10", 31, 80, 80, "tcp"},   {"203.0.113.10", 32, 81, 81, "tcp"},
      {"203.0.113.11", 32, 0, 65535, "tcp"}, {"203.0.113.10", 32, 80, 81, "udp"},
      {"203.0.113.8", 29, 81, 81, "tcp"},    {"203.0.113.11", 32, 80, 80, "udp"}};
  std::vector<std::string> names{"a", "b", "c", "d", "e"};
  std::shuffle(names.begin(), names.end(), random.engine);
  for (const std::string& name : names) {
    const ServicePlace& where = random.one_of(places);
    const bool is_free = std::ranges::none_of(
        draft.services, [&](const DraftConfig::Service& other) { return overlap(other.where, where); });
    if (!is_free) continue;
    const auto pool = std::next(draft.pools.begin(), static_cast<long>(random.below(draft.pools.size())));
    draft.services.push_back(
        {name, pool->first,
         random.one_of(
             std::vector<std::string>{"full-nat", "full-nat", "full-nat", "dnat", "ipip", "gue", "direct"}),
         random.one_of(std::vector<std::string>{"maglev", "random", "least-connections"}), where});
  }
  std::vector<std::string> snat{"198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"};
  std::shuffle(snat.begin(), snat.end(), random.engine);
  draft.snat.assign(snat.begin(), snat.begin() + 1 + static_cast<long>(random.below(3)));
  return draft;
}

/// The usual change leaves most as it is.
DraftConfig changed(const DraftConfig& draft, Random& random) {
  DraftConfig other = any_draft(random);
  if (!random.once_in(4)) other.pools = draft.pools;
  if (!random.once_in(3)) other.snat = draft.snat;
  if (random.once_in(2)) other.services = draft.services;
  for (auto& service : other.services) {
    if (random.once_in(6)) service.name += "x";
    if (random.once_in(6)) service.policy = "random";
    if (random.once_in(6)) service.pool = "violet";
  }
  if (std::ranges::any_of(other.services, [](const auto& service) { return service.pool == "violet"; })) {
    other.pools.emplace("violet", other.pools.at("red"));
  }
  return other;
}

json config_of(const DraftConfig& draft) {
  json config = test::sample_config();
  config["snat"] = draft.snat;
  config["pools"] = json::array();
  for (const auto& [name, backends] : draft.pools) {
    json list = json::array();
    for (const auto& [address, port] : backends) list.push_back({{"address", address}, {"port", port}});
    config["pools"].push_back({{"name", name}, {"table_size", 503}, {"backends", list}});
  }
  config["services"] = json::array();
  for (const auto& service : draft.services) {
    const ServicePlace& where = service.where;
    json ports = where.last_port == 65535 ? json("any")
                 : where.first_port == where.last_port
                     ? json(where.first_port)
                     : json(std::to_string(where.first_port) + "-" + std::to_string(where.last_port));
    config["services"].push_back({{"name", service.name},
                                  {"address", where.address + "/" + std::to_string(where.prefix)},
                                  {"port", std::move(ports)},
                                  {"protocol", where.protocol},
                                  {"policy", service.policy},
                                  {"forward", service.forward},
                                  {"pool", service.pool}});
  }
  return config;
}

/// What a flow's packets meet, as the twin remembers it.
struct SentFlow {
  std::string destination, protocol, forward, backend, snat;
  unsigned destination_port = 0, backend_port = 0;  ///< the latter as configured
};

const DraftConfig::Service* service_of(const DraftConfig& draft, const SentFlow& flow) {
  for (const auto& service : draft.services) {
    if (covers(service.where, flow.destination, flow.destination_port, flow.protocol)) return &service;
  }
  return nullptr;
}

bool stays(const DraftConfig& draft, const SentFlow& flow) {
  const auto* const service = service_of(draft, flow);
  if (!service || service->forward != flow.forward) return false;
  const bool is_nat = flow.forward == "full-nat" || flow.forward == "dnat";
  const auto met = [&](unsigned port) { return is_nat ? (port != 0 ? port : flow.destination_port) : 0; };
  const auto& pool = draft.pools.at(service->pool);
  if (std::ranges::none_of(pool, [&](const auto& backend) {
        return backend.first == flow.backend && met(backend.second) == met(flow.backend_port);
      })) {
    return false;
  }
  return flow.forward != "full-nat" || std::ranges::count(draft.snat, flow.snat) != 0;
}

struct Known {
  SentFlow flow;
  FlowKey reply;
};

FlowKey key_of_client(unsigned i) {
  return {IpAddress::v4(Be32::from_host(0xc0000264 + i)),
          *IpAddress::parse(i % 2 == 0 ? "203.0.113.10" : "203.0.113.11"),
          Be16::from_host(static_cast<uint16_t>(20'000 + i)),
          Be16::from_host(i % 4 < 2 ? 80 : 81),
          i % 5 == 0 ? IpProtocol::kUdp : IpProtocol::kTcp,
          {}};
}

/// What the twin learns of a flow that has just begun.
Known learn(const DraftConfig& draft, const FlowKey& key, CompiledFlows& gateway,
            const lb::Decision& decision) {
  Known known{{key.destination.to_string(), key.protocol == IpProtocol::kUdp ? "udp" : "tcp", "", "", "",
               key.destination_port.host(), 0},
              {}};
  const lb::Backend& backend = (*gateway.tables().backends)[decision.backend];
  known.flow.backend = backend.address.to_string();
  known.flow.backend_port = backend.port.host();
  known.flow.forward = service_of(draft, known.flow)->forward;
  const lb::FlowTable& flows = gateway.flows();
  if (decision.flow->peer != lb::kNoFlow) known.reply = flows.key_of(flows.at(decision.flow->peer));
  known.flow.snat = known.reply.destination.to_string();
  return known;
}

void expect_same(CompiledFlows& gateway, const lb::Decision& decision, const Known& known) {
  const lb::Backend& backend = (*gateway.tables().backends)[decision.backend];
  EXPECT_EQ(backend.address.to_string(), known.flow.backend);
  EXPECT_TRUE(backend.keeps_flows);
  if (decision.flow->peer == lb::kNoFlow) return;
  const lb::FlowEntry& reply = gateway.flows().at(decision.flow->peer);
  EXPECT_EQ(gateway.flows().key_of(reply), known.reply);
  EXPECT_EQ(reply.service, decision.service);
  EXPECT_EQ(reply.backend, decision.backend);
  if (known.flow.forward == "full-nat") {
    EXPECT_EQ(gateway.tables().snat[decision.flow->snat].to_string(), known.flow.snat);
    EXPECT_EQ(reply.snat, decision.flow->snat);
    EXPECT_EQ(decision.flow->translated_port, known.reply.destination_port);
  }
}

class FlowIdentity : public testing::TestWithParam<unsigned> {};

TEST_P(FlowIdentity, AFlowStaysExactlyAsLongAsItsPacketsMeetTheSame) {
  constexpr unsigned kFlows = 120;
  Random random{std::mt19937(GetParam())};
  CompiledFlows gateway;
  DraftConfig draft = any_draft(random);
  gateway.apply(config_of(draft));
  gateway.commit();
  std::map<unsigned, Known> known;
  const auto meet = [&](unsigned i) {  // a packet of flow i
    const FlowKey key = key_of_client(i);
    const auto before = known.find(i);
    const bool is_to_stay = before != known.end() && stays(draft, before->second.flow);
    const bool is_reply_first =
        is_to_stay && before->second.reply.protocol == key.protocol && random.once_in(3);
    if (is_reply_first) {
      const auto reply = gateway.send(before->second.reply);
      EXPECT_EQ(reply.outcome, lb::Outcome::kCached);
      EXPECT_TRUE(reply.is_reply);
    }
    const auto decision = gateway.send(key);
    EXPECT_EQ(decision.outcome == lb::Outcome::kCached, is_to_stay) << "flow " << i;
    if (is_to_stay && decision.flow) return expect_same(gateway, decision, before->second);
    known.erase(i);
    if (decision.outcome == lb::Outcome::kPicked) known.emplace(i, learn(draft, key, gateway, decision));
  };
  for (unsigned i = 0; i < kFlows; ++i) meet(i);
  for (int change = 0; change < 6; ++change) {
    const DraftConfig before = std::exchange(draft, changed(draft, random));
    ASSERT_NO_FATAL_FAILURE(gateway.apply(config_of(draft)));
    std::map<std::string, unsigned> expected;
    for (const auto& [i, flow] : known) {
      if (stays(before, flow.flow) && !stays(draft, flow.flow))
        ++expected[service_of(before, flow.flow)->name];
    }
    EXPECT_EQ(gateway.losses(), expected) << "change " << change;
    gateway.commit();
    for (unsigned i = 0; i < kFlows; ++i) {
      if (random.once_in(2)) meet(i);
    }
    if (random.once_in(2)) {  // all are looked at, as they are within a few seconds
      gateway.expire();
      std::erase_if(known, [&](const auto& each) { return !stays(draft, each.second.flow); });
      EXPECT_EQ(gateway.active_of_retired(), 0u);
    }
    gateway.collect();
  }
  for (unsigned i = 0; i < kFlows; ++i) meet(i);
}

INSTANTIATE_TEST_SUITE_P(Seeds, FlowIdentity, testing::Range(0u, 200u));

}  // namespace
}  // namespace sluice::ctrl
