// What a compiled state keeps of the one before it, and what it gives another number.
#include <algorithm>

#include "tests/unit/ctrl/compile_fixture.h"

namespace sluice::ctrl {
namespace {

using lb::BackendState;
using nlohmann::json;

TEST_F(Compile, SharesWhatDidNotChange) {
  json config = test::sample_config();
  config["pools"][0]["backends"][0]["weight"] = 5;
  const auto result = step(config);
  EXPECT_EQ(result.changed, std::vector<std::string>{"pool/web"});
  EXPECT_EQ(tables_->service_table, before_->service_table);
  EXPECT_EQ(tables_->routes, before_->routes);
  EXPECT_EQ(tables_->next_hops, before_->next_hops);
  EXPECT_EQ(tables_->announcements, before_->announcements);
  EXPECT_EQ(shared_pool_tables(), tables_->pools.size() - 1);
  EXPECT_EQ(web_slots(), expected_web({{11, 5}, {12, 2}, {13, 1}}));
}

TEST_F(Compile, SharesAllWhereNothingChanged) {
  const auto result = step(test::sample_config());
  EXPECT_TRUE(result.changed.empty());
  EXPECT_TRUE(result.disruption.empty());
  EXPECT_EQ(tables_->services, before_->services);
  EXPECT_EQ(tables_->pools.size(), before_->pools.size());
  EXPECT_EQ(shared_pool_tables(), tables_->pools.size());
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

}  // namespace
}  // namespace sluice::ctrl
