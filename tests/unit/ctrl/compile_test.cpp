#include "ctrl/resolve/compile.h"

#include "dataplane/tables/address_set.h"
#include "tests/unit/ctrl/compile_fixture.h"

namespace sluice::ctrl {
namespace {

using lb::BackendState;
using nlohmann::json;

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

TEST(EffectiveState, SaysWhy) {
  EXPECT_EQ(effective_state({}).reason, "configured");
  EXPECT_EQ(effective_state({.healthy = false, .health_reason = "connection refused"}).reason,
            "connection refused");
  EXPECT_EQ(effective_state({.admin = AdminState::kMaintenance, .healthy = false}).state,
            BackendState::kMaintenance);
}

}  // namespace
}  // namespace sluice::ctrl
