#include "ctrl/observed/offers.h"

#include <gtest/gtest.h>

#include "ctrl/intent/config_schema.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

IpAddress address(const char* text) {
  return *IpAddress::parse(text);
}

OfferedService offer(const std::string& name, const char* at = "203.0.113.20",
                     std::vector<OfferedService::Target> targets = {{"blue", 1}}, uint16_t port = 443) {
  return {name, address(at), port, std::move(targets)};
}

/// Offers one set of services after another, as the Gateway does.
class OffersTest : public testing::Test {
 protected:
  OffersTest() {
    config_ = test::sample_config();
    config_["sources"] = {{{"name", "mesh"}, {"type", "xds"}, {"endpoints", {"192.0.2.9:15010"}}}};
    config_["services_from"] = "mesh";
  }

  const OfferedModel& take(const OfferedServices& services) {
    auto parsed = parse_config(config_);
    EXPECT_TRUE(parsed);
    if (!intent_) intent_ = std::make_shared<const Model>(std::move(*parsed));
    const std::shared_ptr<const Model> before = now_.model;
    now_ = with_offered(intent_, services,
                        {before.get(), answered_, [this](const auto& pool) { return busy_.contains(pool); }});
    return now_;
  }
  const ServiceModel* service(const std::string& name) const {
    const auto found = now_.model->services.find(name);
    return found == now_.model->services.end() ? nullptr : found->second.get();
  }
  bool has_pool(const std::string& name) const { return now_.model->pools.contains(name); }

  json config_;
  std::shared_ptr<const Model> intent_;
  OfferedModel now_;
  std::set<std::string> answered_ = {"blue", "green"};
  std::set<std::string> busy_;
};

TEST_F(OffersTest, AListenerIsAServiceByFullNatAndItsClusterAPool) {
  take({offer("shop")});
  ASSERT_NE(service("shop"), nullptr);
  EXPECT_EQ(service("shop")->address.to_string(), "203.0.113.20/32");
  EXPECT_EQ(service("shop")->first_port, 443);
  EXPECT_EQ(service("shop")->last_port, 443);
  EXPECT_EQ(service("shop")->protocol, IpProtocol::kTcp);
  EXPECT_EQ(service("shop")->forward, lb::ForwardMode::kFullNat);
  EXPECT_EQ(service("shop")->pool, "blue");
  ASSERT_TRUE(has_pool("blue"));
  const auto& discover = now_.model->pools.at("blue")->discover;
  ASSERT_TRUE(discover);
  EXPECT_EQ(discover->source, "mesh");
  EXPECT_EQ(discover->cluster, "blue");
  EXPECT_NE(service("web"), nullptr) << "those of the configuration are there too";
}

TEST_F(OffersTest, WeightedClustersAreASplit) {
  take({offer("shop", "203.0.113.20", {{"blue", 3}, {"green", 1}})});
  ASSERT_NE(service("shop"), nullptr);
  EXPECT_TRUE(service("shop")->pool.empty());
  EXPECT_EQ(service("shop")->split, (std::vector<SplitShareModel>{{"blue", 3}, {"green", 1}}));
}

TEST_F(OffersTest, APoolOfTheConfigurationThatDiscoversTheClusterIsItsPool) {
  config_["pools"].push_back({{"name", "checked"}, {"discover", {{"source", "mesh"}, {"cluster", "blue"}}}});
  answered_ = {"checked"};
  take({offer("shop", "203.0.113.20", {{"blue", 1}})});
  EXPECT_EQ(service("shop")->pool, "checked");
  EXPECT_FALSE(has_pool("blue"));
}

TEST_F(OffersTest, APoolOfTheConfigurationWithTheClustersNameIsItsPool) {
  take({offer("shop", "203.0.113.20", {{"web", 1}})});
  EXPECT_EQ(service("shop")->pool, "web");
  EXPECT_EQ(now_.model->pools.at("web"), intent_->pools.at("web"));
}

TEST_F(OffersTest, WhatCannotBeServedIsLeftOutAloneAndSaid) {
  struct Case {
    OfferedService offered;
    std::string reason;
  };
  const std::vector<Case> cases = {
      {offer("web"), "the configuration has a service of that name"},
      {offer("twin", "203.0.113.10", {{"blue", 1}}, 80), "another service has its address and port"},
      {offer("all", "0.0.0.0"), "its address is not that of one host"},
      {offer("many", "224.0.0.1"), "its address is not that of one host"},
      {offer("replies", "198.51.100.1", {{"blue", 1}}, 8080), "are for replies to full-nat"},
      {offer("six", "2001:db8::5", {{"web", 1}}), "pool web lists a backend of the other family"},
      {offer("loop", "198.51.100.11", {{"web", 1}}), "its address is a backend of pool web"},
      {offer("a b"), "its name is not made of visible ASCII characters"},
  };
  for (const Case& one : cases) {
    OfferedServices services = {one.offered, offer("zebra", "203.0.113.21")};
    take(services);
    ASSERT_EQ(now_.left_out.size(), 1u) << one.offered.name;
    EXPECT_TRUE(now_.left_out[0].starts_with("listener " + one.offered.name + ": ")) << now_.left_out[0];
    EXPECT_NE(now_.left_out[0].find(one.reason), std::string::npos) << now_.left_out[0];
    EXPECT_NE(service("zebra"), nullptr) << one.offered.name;
  }
}

TEST_F(OffersTest, TwoListenersAtOnePlaceAreOneServiceTheFirstByName) {
  take({offer("a"), offer("b")});
  EXPECT_NE(service("a"), nullptr);
  EXPECT_EQ(service("b"), nullptr);
  EXPECT_EQ(now_.left_out, std::vector<std::string>{"listener b: another service has its address and port"});
}

TEST_F(OffersTest, AServiceComesOnceItsPoolsHaveAnswered) {
  answered_.clear();
  take({offer("shop")});
  EXPECT_EQ(service("shop"), nullptr);
  EXPECT_TRUE(has_pool("blue")) << "its source is asked already";
  answered_ = {"blue"};
  take({offer("shop")});
  EXPECT_NE(service("shop"), nullptr);
}

TEST_F(OffersTest, AServiceKeepsItsPoolUntilTheNextOneHasAnswered) {
  answered_ = {"blue"};
  take({offer("shop")});
  take({offer("shop", "203.0.113.20", {{"green", 1}})});
  ASSERT_NE(service("shop"), nullptr);
  EXPECT_EQ(service("shop")->pool, "blue");
  EXPECT_TRUE(has_pool("blue"));
  EXPECT_TRUE(has_pool("green"));
  answered_ = {"blue", "green"};
  take({offer("shop", "203.0.113.20", {{"green", 1}})});
  EXPECT_EQ(service("shop")->pool, "green");
  EXPECT_FALSE(has_pool("blue"));
}

TEST_F(OffersTest, APoolThatNoServiceNeedsAnyMoreStaysUntilItsFlowsHaveEnded) {
  take({offer("shop")});
  busy_ = {"blue"};
  take({offer("shop", "203.0.113.20", {{"green", 1}})});
  EXPECT_EQ(service("shop")->pool, "green");
  EXPECT_TRUE(has_pool("blue"));
  take({});
  EXPECT_TRUE(has_pool("blue"));
  busy_.clear();
  take({});
  EXPECT_FALSE(has_pool("blue"));
  EXPECT_TRUE(now_.model->services == intent_->services);
  EXPECT_TRUE(now_.model->pools == intent_->pools);
}

TEST_F(OffersTest, TheSameAgainIsTheSameObjects) {
  take({offer("shop")});
  const auto before = now_.model;
  take({offer("shop")});
  EXPECT_TRUE(now_.model->services == before->services);
  EXPECT_TRUE(now_.model->pools == before->pools);
}

class StandingTest : public testing::Test {
 protected:
  StandingTest() {
    model_.services_from = "mesh";
    source_.name = "mesh";
    source_.type = "xds";
    offers_.follow(model_, Moment::now());
  }
  bool say(SourceWord::Kind kind, OfferedServices services = {}) {
    SourceWord word{
        .kind = kind, .reason = "refused", .services_of = "mesh", .services = std::move(services)};
    return offers_.take(word, source_, Moment::now());
  }

  Model model_;
  SourceModel source_;
  Offers offers_;
};

TEST_F(StandingTest, AnOutageTakesNoServiceAwayHoweverLong) {
  source_.hold_for = std::chrono::milliseconds(1);
  EXPECT_EQ(offers_.standing().state(), SourceState::kConnecting);
  EXPECT_TRUE(say(SourceWord::Kind::kDelivered, {offer("shop")}));
  EXPECT_EQ(offers_.standing().state(), SourceState::kSynced);
  say(SourceWord::Kind::kLost);
  Moment later = Moment::now();
  later.steady += std::chrono::hours(100);
  offers_.expire(source_, later);
  EXPECT_EQ(offers_.standing().state(), SourceState::kStale);
  EXPECT_EQ(offers_.services().size(), 1u);
}

TEST_F(StandingTest, NothingThereTakesAllAwayUnlessOnEmptyHolds) {
  say(SourceWord::Kind::kDelivered, {offer("shop")});
  source_.on_empty = OnEmpty::kHold;
  EXPECT_FALSE(say(SourceWord::Kind::kDelivered));
  EXPECT_EQ(offers_.standing().state(), SourceState::kHeld);
  EXPECT_EQ(offers_.services().size(), 1u);
  EXPECT_TRUE(offers_.release(source_, Moment::now()));
  EXPECT_TRUE(offers_.services().empty());
  EXPECT_FALSE(offers_.release(source_, Moment::now()));
  source_.on_empty = OnEmpty::kApply;
  say(SourceWord::Kind::kDelivered, {offer("shop")});
  EXPECT_TRUE(say(SourceWord::Kind::kDelivered));
  EXPECT_TRUE(offers_.services().empty());
}

TEST_F(StandingTest, AnotherSourceBeginsAnew) {
  say(SourceWord::Kind::kDelivered, {offer("shop")});
  model_.services_from = "other";
  offers_.follow(model_, Moment::now());
  EXPECT_TRUE(offers_.services().empty());
  EXPECT_EQ(offers_.standing().state(), SourceState::kConnecting);
}

}  // namespace
}  // namespace sluice::ctrl
