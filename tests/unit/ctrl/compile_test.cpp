#include "ctrl/resolve/compile.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/model_changes.h"
#include "dataplane/tables/address_set.h"
#include "tests/support/naive_maglev.h"
#include "tests/unit/ctrl/observed_world.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using dataplane::Tables;
using lb::BackendState;
using nlohmann::json;

IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}

BackendKey web(int number) {
  return {"web", *IpAddress::parse("198.51.100." + std::to_string(number)), 8080};
}

/// Takes one step after another, as the Gateway does.
class Compile : public testing::Test {
 protected:
  Compile() {
    ports_[0] = {"edge", *MacAddress::parse("02:00:00:00:00:01"), 1500, "net_null", true, ""};
    ports_[1] = {"core", *MacAddress::parse("02:00:00:00:00:02"), 1400, "net_null", true, ""};
    step(test::sample_config());
  }

  Compiled step(const json& config) {
    auto parsed = parse_config(config);
    EXPECT_TRUE(parsed) << config;
    Model next = std::move(*parsed);
    if (model_) share_unchanged(*model_, next);
    return take(std::make_shared<const Model>(std::move(next)), {}, {});
  }
  Compiled touch(const std::string& pool) { return take(model_, {pool}, {}); }
  Compiled flush(const BackendKey& key) { return take(model_, {}, {key}); }

  Compiled take(std::shared_ptr<const Model> next, const std::set<std::string>& touched,
                std::vector<BackendKey> flushed) {
    auto effective = test::effective(next, status_, touched, effective_.get());
    auto result = compile(
        {*effective, ports_, ++generation_, effective_.get(), tables_.get(), std::move(flushed)}, ids_);
    EXPECT_TRUE(result);
    ids_.commit();
    model_ = std::move(next);
    effective_ = std::move(effective);
    before_ = tables_;
    tables_ = result->tables;
    return *result;
  }

  const lb::Service& service(const std::string& name) const {
    return (*tables_->services)[*ids_.find_service(identity_of(*model_->services.at(name)))];
  }
  lb::BackendId id(const BackendKey& key) const { return ids_.find_backend(key).value_or(lb::kNoBackend); }
  const lb::Backend& backend(const BackendKey& key) const { return (*tables_->backends)[id(key)]; }

  /// What the table of pool web ought to be over some of its backends.
  std::vector<lb::BackendId> expected_web(const std::vector<std::pair<int, uint32_t>>& eligible) const {
    std::vector<lb::WeightedEndpoint> endpoints;
    for (const auto& [number, weight] : eligible) {
      endpoints.push_back(
          {{web(number).address, Be16::from_host(8080), IpProtocol::kTcp}, weight, id(web(number))});
    }
    return test::naive_maglev(endpoints, 1021, *model_->hash_key);
  }
  std::vector<lb::BackendId> web_slots() const {
    const auto slots = service("web").pool->slots();
    return {slots.begin(), slots.end()};
  }

  /// The generation that brought an announced address; 0: it is not announced.
  uint64_t since(const char* address) const {
    for (const auto& announcement : *tables_->announcements) {
      if (announcement.address == ip(address)) return announcement.since;
    }
    return 0;
  }
  bool is_announced(const char* address) const { return since(address) != 0; }

  IdRegistry ids_;
  std::map<BackendKey, BackendStatus> status_;
  std::vector<dataplane::PortInfo> ports_{2};
  uint64_t generation_ = 0;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Effective> effective_;
  std::shared_ptr<const Tables> tables_, before_;
};

TEST_F(Compile, TheIngressIsAnnouncedAndStays) {
  json config = test::sample_config();
  EXPECT_EQ(tables_->ingress, nullptr);
  config["ledger"] = {
      {"origin", "log.example"},
      {"directory", "/var/lib/log"},
      {"signing_key", "file:/etc/log.key"},
      {"ingress",
       {{{"address", "203.0.113.9"}, {"port", 9000}, {"framing", "raw"}, {"profile", "bitcoin"}},
        {{"address", "203.0.113.10"}, {"port", 5683}, {"framing", "coap"}}}}};
  model_ = nullptr;
  effective_ = nullptr;
  tables_ = nullptr;
  ids_ = {};
  step(config);
  ASSERT_EQ(tables_->ingress->size(), 2u);
  const dataplane::Ingress& first = tables_->ingress->front();
  EXPECT_EQ(first.address, ip("203.0.113.9"));
  EXPECT_EQ(first.port.host(), 9000);
  EXPECT_EQ(first.framing, Framing::kRaw);
  EXPECT_EQ(first.profile, ledger::Profile::kBitcoin);
  EXPECT_EQ(tables_->ingress->back().framing, Framing::kCoap);
  EXPECT_EQ(tables_->ingress->back().profile, ledger::Profile::kOpaque);
  EXPECT_TRUE(is_announced("203.0.113.9") && is_announced("203.0.113.10") && is_announced("203.0.113.11"));
  config["services"].erase(0);
  step(config);
  EXPECT_EQ(tables_->ingress, before_->ingress);
  EXPECT_EQ(tables_->announcements,
            before_->announcements);  // the ingress keeps the address that the service had too
}

TEST_F(Compile, BuildsTheWholeState) {
  EXPECT_EQ(tables_->generation, 1u);
  EXPECT_EQ(web_slots(), expected_web({{11, 1}, {12, 2}, {13, 1}}));
  EXPECT_EQ(service("web").forward, lb::ForwardMode::kFullNat);
  EXPECT_EQ(service("web").idle_timeout_ms, 300'000u);
  EXPECT_EQ(service("tunnel").idle_timeout_ms, 30'000u);
  const auto web_id = *ids_.find_service(identity_of(*model_->services.at("web")));
  EXPECT_EQ(tables_->service_table->find(ip("203.0.113.10"), Be16::from_host(80), IpProtocol::kTcp), web_id);
  EXPECT_EQ(tables_->service_table->find(ip("203.0.113.10"), Be16::from_host(81), IpProtocol::kTcp),
            lb::kNoService);
  EXPECT_TRUE(is_announced("203.0.113.10") && is_announced("203.0.113.11"));
  EXPECT_EQ(tables_->dnat_backends, nullptr);
  ASSERT_EQ(tables_->ports.size(), 2u);
  EXPECT_EQ(tables_->ports[1].mtu, 1400);  // what the device has, not what was asked for
  EXPECT_EQ(tables_->ports[1].vlan_ids[0], 100);
  EXPECT_EQ(tables_->ports[0].link_local, ip("fe80::ff:fe00:1"));
  ASSERT_EQ(tables_->neighbors.size(), 1u);
  EXPECT_EQ(tables_->neighbors[0].port, 1);
}

TEST_F(Compile, AnnouncesEachAddressOnTheLinksThatItBelongsTo) {
  const auto ports = [&](const char* address) {
    for (const auto& announcement : *tables_->announcements) {
      if (announcement.address == ip(address)) return announcement.ports;
    }
    return 0u;
  };
  EXPECT_EQ(ports("192.0.2.1"), 1u) << "the port's own";
  EXPECT_EQ(ports("2001:db8:0:2::1"), 2u);
  EXPECT_EQ(ports("198.51.100.1"), 2u) << "SNAT";
  EXPECT_EQ(ports("203.0.113.10"), 3u) << "of no link: on every one";
  EXPECT_FALSE(is_announced("198.51.100.11")) << "a backend";
}

TEST_F(Compile, AnnouncesTheFirstFewOfAPrefixThatLieOnALink) {
  json config = test::sample_config();
  config["services"].push_back(
      {{"name", "small"}, {"address", "192.0.2.248/29"}, {"port", 81}, {"pool", "web"}});
  config["services"].push_back({{"name", "large"},
                                {"address", "2001:db8:0:1::/64"},
                                {"port", 81},
                                {"forward", "ipip"},
                                {"pool", "mixed"}});
  config["services"].push_back(
      {{"name", "routed"}, {"address", "203.0.113.128/25"}, {"port", 81}, {"pool", "web"}});
  step(config);
  EXPECT_TRUE(is_announced("192.0.2.248") && is_announced("192.0.2.254"));
  EXPECT_FALSE(is_announced("192.0.2.255")) << "the broadcast address of the link";
  EXPECT_FALSE(is_announced("192.0.2.247"));
  EXPECT_FALSE(is_announced("2001:db8:0:1::")) << "the anycast address of routers";
  EXPECT_TRUE(is_announced("2001:db8:0:1::ff"));
  EXPECT_FALSE(is_announced("2001:db8:0:1::100")) << "256 of a prefix";
  EXPECT_FALSE(is_announced("203.0.113.129")) << "on no link: routed here";
  EXPECT_EQ(since("192.0.2.248"), generation_);
  EXPECT_EQ(since("203.0.113.10"), 1u);
}

TEST_F(Compile, ProtectsGatewaysAndBackends) {
  for (const char* next_hop : {"192.0.2.254", "198.51.100.11", "198.51.100.13", "2001:db8:0:2::11"}) {
    EXPECT_TRUE(tables_->next_hop_addresses->contains(ip(next_hop))) << next_hop;
  }
  EXPECT_FALSE(tables_->next_hop_addresses->contains(ip("192.0.2.9")));
  touch("web");
  EXPECT_EQ(tables_->next_hop_addresses, before_->next_hop_addresses);
}

TEST_F(Compile, FindsTheNextHopOfEveryBackend) {
  const auto hop = [&](const BackendKey& key) { return (*tables_->next_hops)[backend(key).next_hop]; };
  EXPECT_EQ(hop(web(11)).address, ip("198.51.100.11"));  // on the link of core
  EXPECT_EQ(hop(web(11)).port, 1);
  const BackendKey far{"mixed", ip("203.0.113.99"), 0};
  EXPECT_EQ(hop(far).address, ip("192.0.2.254"));  // by the default route
  EXPECT_EQ(hop(far).port, 0);

  json config = test::sample_config();
  config["routes"] = json::array();
  step(config);
  EXPECT_EQ(backend(far).next_hop, UINT32_MAX);
  EXPECT_EQ(hop(web(11)).address, ip("198.51.100.11"));
}

TEST_F(Compile, AStaticNeighborBeyondAllNetworksIsOnTheLinkOfItsRoute) {
  const BackendKey far{"mixed", ip("203.0.113.99"), 0};
  const auto hop = [&] { return (*tables_->next_hops)[backend(far).next_hop]; };
  EXPECT_EQ(hop().address, ip("192.0.2.254"));
  json config = test::sample_config();
  config["neighbors"].push_back({{"address", "203.0.113.99"}, {"mac", "02:00:00:00:00:99"}});
  config["services"][1]["forward"] = "direct";
  step(config);
  EXPECT_EQ(hop().address, ip("203.0.113.99"));
  EXPECT_EQ(hop().port, 0);
  ASSERT_EQ(tables_->neighbors.size(), 2u);
  EXPECT_EQ(tables_->neighbors[1].address, ip("203.0.113.99"));
  EXPECT_EQ(tables_->neighbors[1].port, 0);
  config["routes"] = {{{"to", "203.0.113.0/24"}, {"via", "198.51.100.254"}}};
  step(config);
  EXPECT_EQ(hop().port, 1);
  EXPECT_EQ(tables_->neighbors[1].port, 1);
}

TEST_F(Compile, SharesWhatDidNotChange) {
  json config = test::sample_config();
  config["pools"][0]["backends"][0]["weight"] = 5;
  const auto result = step(config);
  EXPECT_EQ(result.changed, std::vector<std::string>{"pool/web"});
  EXPECT_EQ(tables_->service_table, before_->service_table);
  EXPECT_EQ(tables_->routes, before_->routes);
  EXPECT_EQ(tables_->next_hops, before_->next_hops);
  EXPECT_EQ(tables_->announcements, before_->announcements);
  size_t shared = 0;
  for (const auto& table : tables_->pools)
    shared += std::count(before_->pools.begin(), before_->pools.end(), table);
  EXPECT_EQ(shared, tables_->pools.size() - 1);
  EXPECT_EQ(web_slots(), expected_web({{11, 5}, {12, 2}, {13, 1}}));
}

TEST_F(Compile, SharesAllWhereNothingChanged) {
  const auto result = step(test::sample_config());
  EXPECT_TRUE(result.changed.empty());
  EXPECT_TRUE(result.disruption.empty());
  EXPECT_EQ(tables_->services, before_->services);
  EXPECT_EQ(tables_->pools, before_->pools);
  EXPECT_EQ(tables_->generation, 2u);
}

TEST_F(Compile, CountsDisruptionOverAllSlots) {
  const auto old_slots = web_slots();
  json config = test::sample_config();
  config["pools"][0]["backends"].erase(2);
  const auto result = step(config);
  const auto new_slots = web_slots();
  size_t changed = 0;
  for (size_t i = 0; i < old_slots.size(); ++i) changed += old_slots[i] != new_slots[i];
  ASSERT_EQ(result.disruption.size(), 1u);
  EXPECT_DOUBLE_EQ(result.disruption.at("web"), static_cast<double>(changed) / 1021);
  EXPECT_GT(changed, 1021u / 5);
  EXPECT_LT(changed, 1021u / 2);
}

TEST_F(Compile, ANameMovesNoSlot) {
  json config = test::sample_config();
  config["services"][0]["name"] = "shop";
  const auto service_renamed = step(config);
  EXPECT_EQ(service_renamed.changed, (std::vector<std::string>{"service/shop", "service/web"}));
  EXPECT_TRUE(service_renamed.disruption.empty());
  config["pools"][0]["name"] = "shelves";
  config["services"][0]["pool"] = "shelves";
  EXPECT_EQ(step(config).disruption, (std::map<std::string, double>{{"shop", 0}}));
  config["services"][0]["name"] = "stall";
  config["services"][0]["port"] = "80-81";
  config["pools"][0]["backends"].erase(2);
  const auto moved = step(config);
  ASSERT_EQ(moved.disruption.size(), 1u);  // of whoever had the address and port before
  EXPECT_GT(moved.disruption.at("stall"), 0.2);
}

TEST_F(Compile, WhatIsRetiredKeepsItsEndpointAndItsMode) {
  const auto gone = id(web(12)), flushed = id(web(11));
  const auto service_gone = *ids_.find_service(identity_of(*model_->services.at("web")));
  flush(web(11));
  json config = test::sample_config();
  config["pools"][0]["name"] = "other";
  config["services"][0]["pool"] = "other";
  step(config);
  EXPECT_EQ((*tables_->backends)[gone].address, web(12).address);
  EXPECT_EQ((*tables_->backends)[gone].port.host(), 8080);
  EXPECT_EQ((*tables_->backends)[flushed].address, IpAddress{});  // its flows are to find nothing
  EXPECT_EQ((*tables_->services)[service_gone].pool, nullptr);
  EXPECT_EQ((*tables_->services)[service_gone].forward, lb::ForwardMode::kFullNat);
  flush({"other", web(12).address, 8080});
  EXPECT_EQ((*tables_->backends)[gone].address, IpAddress{});
}

TEST_F(Compile, ListsTheMembersOfEveryPool) {
  status_[web(12)].admin = AdminState::kDraining;
  touch("web");
  const auto& members = *tables_->members[service("web").pool->index()];
  ASSERT_EQ(members.all().size(), 3u);  // whatever their state
  ASSERT_EQ(members.at(web(12).address).size(), 1u);
  EXPECT_EQ(members.at(web(12).address)[0].id, id(web(12)));
  EXPECT_EQ(&members, before_->members[service("web").pool->index()].get());
  flush(web(12));
  EXPECT_EQ(tables_->members[service("web").pool->index()]->at(web(12).address)[0].id, id(web(12)));
}

TEST_F(Compile, TakesBackendsOutByTheirState) {
  status_[web(11)].healthy = false;
  status_[web(12)].admin = AdminState::kDraining;
  EXPECT_EQ(touch("web").changed, std::vector<std::string>{"pool/web"});
  EXPECT_EQ(backend(web(11)).state, BackendState::kDown);
  EXPECT_FALSE(backend(web(11)).keeps_flows);
  EXPECT_EQ(backend(web(12)).state, BackendState::kDraining);
  EXPECT_TRUE(backend(web(12)).keeps_flows);
  EXPECT_EQ(web_slots(), expected_web({{13, 1}}));

  status_[web(13)].admin = AdminState::kMaintenance;
  touch("web");
  EXPECT_FALSE(backend(web(13)).keeps_flows);
  EXPECT_TRUE(web_slots().empty());
}

TEST_F(Compile, FailsOpenOverThoseThatAreDown) {
  json config = test::sample_config();
  config["pools"][0]["fail_open"] = true;
  step(config);
  for (const int number : {11, 12, 13}) status_[web(number)].healthy = false;
  status_[web(13)].admin = AdminState::kDraining;
  touch("web");
  EXPECT_EQ(web_slots(), expected_web({{11, 1}, {12, 2}}));
  EXPECT_EQ(backend(web(11)).state, BackendState::kDown);
  EXPECT_TRUE(backend(web(11)).keeps_flows);
  EXPECT_FALSE(backend(web(13)).keeps_flows);  // gone, and nobody wants it back

  status_[web(11)].healthy = true;
  touch("web");
  EXPECT_EQ(web_slots(), expected_web({{11, 1}}));
  EXPECT_FALSE(backend(web(12)).keeps_flows);
}

TEST_F(Compile, GivesNoFlowsToWeightZero) {
  json config = test::sample_config();
  config["pools"][0]["backends"][1]["weight"] = 0;
  step(config);
  EXPECT_EQ(web_slots(), expected_web({{11, 1}, {13, 1}}));
  EXPECT_TRUE(backend(web(12)).keeps_flows);
}

TEST_F(Compile, RetiresWhatIsRemoved) {
  const auto gone = id(web(12));
  json config = test::sample_config();
  config["pools"][0]["backends"].erase(1);
  step(config);
  EXPECT_EQ((*tables_->backends)[gone].state, BackendState::kRemoved);
  EXPECT_FALSE((*tables_->backends)[gone].keeps_flows);
  step(test::sample_config());
  EXPECT_NE(id(web(12)), gone);  // flows of the old one must not meet the new one
  EXPECT_EQ((*tables_->backends)[gone].state, BackendState::kRemoved);
}

TEST_F(Compile, GivesAServiceAnotherNumberWithAnotherIdentity) {
  const auto number = [&] { return *ids_.find_service(identity_of(*model_->services.at("web"))); };
  const auto first = number();
  json config = test::sample_config();
  config["services"][0]["policy"] = "random";
  const auto policy = step(config);
  EXPECT_EQ(number(), first);
  EXPECT_FALSE(service("web").pool->schedule().empty());
  EXPECT_EQ(policy.disruption.at("web"), 0);
  config["services"][0]["port"] = 81;
  step(config);
  EXPECT_NE(number(), first);
  EXPECT_EQ((*tables_->services)[first].pool, nullptr);
}

TEST_F(Compile, BuildsATableForEachProtocolInUse) {
  json config = test::sample_config();
  config["services"].push_back(
      {{"name", "web-udp"}, {"address", "203.0.113.10"}, {"port", 80}, {"protocol", "udp"}, {"pool", "web"}});
  step(config);
  const auto tcp = service("web").pool, udp = service("web-udp").pool;
  EXPECT_NE(tcp, udp);
  EXPECT_EQ(udp->candidates()[0].endpoint.protocol, IpProtocol::kUdp);
  EXPECT_TRUE(ids_.find_pool_table("spare", IpProtocol::kTcp));  // unused, but to be looked at
  step(test::sample_config());
  EXPECT_FALSE(ids_.find_pool_table("web", IpProtocol::kUdp));
  EXPECT_EQ(service("web").pool, tcp);
}

TEST_F(Compile, KnowsTheBackendsOfDnat) {
  json config = test::sample_config();
  config["services"][0]["forward"] = "dnat";
  step(config);
  ASSERT_NE(tables_->dnat_backends, nullptr);
  EXPECT_TRUE(tables_->dnat_backends->contains(ip("198.51.100.12")));
  EXPECT_FALSE(tables_->dnat_backends->contains(ip("203.0.113.99")));
  config["pools"][0]["backends"][1]["address"] = "198.51.100.77";
  step(config);
  EXPECT_TRUE(tables_->dnat_backends->contains(ip("198.51.100.77")));
  EXPECT_FALSE(tables_->dnat_backends->contains(ip("198.51.100.12")));
}

TEST_F(Compile, KeepsTheIndexesOfSnatOrEndsTheFlows) {
  const auto number = [&](const char* name) {
    return *ids_.find_service(identity_of(*model_->services.at(name)));
  };
  const auto web_number = number("web"), tunnel_number = number("tunnel");
  json config = test::sample_config();
  config["snat"] = {"198.51.100.2", "2001:db8:0:2::1", "198.51.100.1"};
  step(config);
  EXPECT_EQ(tables_->snat,
            (std::vector<IpAddress>{ip("198.51.100.1"), ip("2001:db8:0:2::1"), ip("198.51.100.2")}));
  EXPECT_EQ(number("web"), web_number);
  EXPECT_EQ(since("198.51.100.2"), 2u) << "a new address to announce";
  EXPECT_EQ(since("198.51.100.1"), 1u);
  config["snat"] = {"198.51.100.2", "2001:db8:0:2::1"};
  step(config);
  EXPECT_NE(number("web"), web_number);
  EXPECT_EQ(number("tunnel"), tunnel_number);  // no full-nat, so none of its business
}

TEST_F(Compile, FlushingGivesAnotherNumber) {
  const auto old = id(web(11));
  const auto result = flush(web(11));
  EXPECT_NE(id(web(11)), old);
  EXPECT_EQ((*tables_->backends)[old].state, BackendState::kRemoved);
  EXPECT_EQ(backend(web(11)).state, BackendState::kActive);
  EXPECT_EQ(web_slots(), expected_web({{11, 1}, {12, 2}, {13, 1}}));
  EXPECT_EQ(result.changed, std::vector<std::string>{"pool/web"});
}

TEST_F(Compile, LeavesNoTraceOfADryRun) {
  json config = test::sample_config();
  config["pools"][0]["backends"].push_back({{"address", "198.51.100.14"}, {"port", 8080}});
  config["pools"][0]["backends"].erase(0);
  const auto old = id(web(11));
  Model next = *parse_config(config);
  share_unchanged(*model_, next);
  const auto effective =
      test::effective(std::make_shared<const Model>(std::move(next)), status_, {}, effective_.get());
  ASSERT_TRUE(compile({*effective, ports_, 2, effective_.get(), tables_.get()}, ids_));
  ids_.discard();
  EXPECT_EQ(id(web(11)), old);
  EXPECT_EQ(id(web(14)), lb::kNoBackend);
  EXPECT_FALSE(ids_.has_retired());
}

/// Whatever the way there, the tables are those of a gateway that starts with the same configuration, but
/// for the numbers.
TEST_F(Compile, DoesNotDependOnTheWay) {
  json config = test::sample_config();
  config["pools"].erase(2);
  config["pools"][0]["backends"].erase(0);
  step(config);
  config["pools"][0]["name"] = "other";
  config["services"][0]["pool"] = "other";
  step(config);
  status_[web(13)].healthy = false;
  step(test::sample_config());
  status_.clear();
  touch("web");

  IdRegistry fresh_ids;
  const Model fresh = *parse_config(test::sample_config());
  const auto effective = test::effective(std::make_shared<const Model>(fresh), status_);
  const auto expected = compile({*effective, ports_, 1}, fresh_ids);
  ASSERT_TRUE(expected);
  for (const auto& [name, entry] : fresh.services) {
    const auto fresh_id = *fresh_ids.find_service(identity_of(*entry));
    const auto there = (*expected->tables->services)[fresh_id].pool->slots();
    const auto here = service(name).pool->slots();
    ASSERT_EQ(here.size(), there.size()) << name;
    for (size_t slot = 0; slot < here.size(); ++slot) {
      ASSERT_EQ(*ids_.backend_at(here[slot]), *fresh_ids.backend_at(there[slot])) << name << " slot " << slot;
    }
  }
}

TEST(EffectiveState, SaysWhy) {
  EXPECT_EQ(effective_state({}).reason, "configured");
  EXPECT_EQ(effective_state({.healthy = false, .health_reason = "connection refused"}).reason,
            "connection refused");
  EXPECT_EQ(effective_state({.admin = AdminState::kMaintenance, .healthy = false}).state,
            BackendState::kMaintenance);
}

}  // namespace
}  // namespace sluice::ctrl
