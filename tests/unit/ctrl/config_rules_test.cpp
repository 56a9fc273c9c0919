// `sets`, `access` and `limits`: what is read, what is refused, and what is written again.
#include "ctrl/intent/config_rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/intent/set_file.h"
#include "ctrl/resolve/compile.h"
#include "ctrl/rpc/methods/police_rules.h"
#include "lb/service_rules.h"
#include "tests/unit/ctrl/config_faults.h"
#include "tests/unit/ctrl/observed_world.h"
#include "tests/unit/ctrl/sample_config.h"
#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

json with_rules(const char* key, const json& value) {
  json config = test::sample_config();
  config["services"][0][key] = value;
  return config;
}

/// What interface.md, section 10, shows.
const json kAccess = {{"allow", {"198.51.100.0/24", "set:office"}}, {"deny", {"set:bots", "2001:db8::/32"}}};
const json kLimits = {{"new_flows", {{"rate", 100000}, {"burst", 200000}}},
                      {"packets", {{"rate", 1000000}, {"burst", 1000000}}},
                      {"flows", 1000000},
                      {"per_source",
                       {{"new_flows", {{"rate", 100}, {"burst", 200}}},
                        {"packets", {{"rate", 10000}, {"burst", 10000}}},
                        {"flows", 100},
                        {"prefix4", 32},
                        {"prefix6", 64},
                        {"remembered", 1048576}}}};
const json kSets = {{{"name", "bots"}, {"addresses", {"192.0.2.0/24"}}},
                    {{"name", "office"}, {"addresses", {"203.0.113.7"}}}};

TEST(ConfigRules, AreReadAndWrittenAlike) {
  json config = with_rules("access", kAccess);
  config["services"][0]["limits"] = kLimits;
  config["pools"][0]["limits"] = {{"flows_per_backend", 10000}};
  config["sets"] = kSets;
  const auto model = parse_config(config);
  ASSERT_TRUE(model) << model.error().faults.at(0).pointer << model.error().faults.at(0).message;
  const json written = to_json(*model);
  const json service =
      *std::ranges::find(written["services"], "web", [](const json& one) { return one["name"]; });
  EXPECT_EQ(service["access"], kAccess);
  EXPECT_EQ(service["limits"], kLimits);
  const json pool = *std::ranges::find(written["pools"], "web", [](const json& one) { return one["name"]; });
  EXPECT_EQ(pool["limits"], json({{"flows_per_backend", 10000}}));
  EXPECT_EQ(written["sets"][0], kSets[0]);
  auto again = parse_config(written);
  ASSERT_TRUE(again);
  share_unchanged(*model, *again);
  EXPECT_EQ(to_json(*again), written);
  EXPECT_TRUE(changed_parts(*model, *again).empty());
}

TEST(ConfigRules, MayBeFractionsAndLeaveTheBurstOut) {
  const auto model =
      parse_config(with_rules("limits", {{"new_flows", {{"rate", 0.5}}}, {"packets", {{"rate", 20}}}}));
  ASSERT_TRUE(model);
  const LimitsModel& limits = model->services.at("web")->limits;
  EXPECT_EQ(limits.new_flows, (RateModel{0.5, 1}));
  EXPECT_EQ(limits.packets, (RateModel{20, 20}));
  EXPECT_EQ(rate_text(0.5), "0.5");
  EXPECT_EQ(rate_text(100000), "100000");
}

TEST(ConfigRules, HaveRatesAboveZero) {
  EXPECT_EQ(fault_lines(with_rules("limits", {{"new_flows", {{"rate", 0}, {"burst", 1}}}})),
            std::vector<std::string>{"/services/0/limits/new_flows/rate: must be above 0"});
  EXPECT_EQ(
      fault_lines(with_rules("limits", {{"per_source", {{"packets", {{"rate", -1}, {"burst", 1}}}}}})).size(),
      1u);
  EXPECT_EQ(fault_lines(with_rules("limits", {{"flows", 0}})).size(), 1u);
  EXPECT_EQ(
      fault_lines(with_rules("limits", {{"packets", {{"rate", 0.00001}, {"burst", 1000000000}}}})).size(),
      1u);
}

TEST(ConfigRules, NameSetsThatThereAre) {
  json config = with_rules("access", {{"deny", {"192.0.2.0/24", "set:bots"}}});
  EXPECT_EQ(fault_lines(config),
            std::vector<std::string>{"/services/0/access/deny/1: there is no set named \"bots\""});
  config["sets"] = kSets;
  config["sets"].push_back(kSets[0]);
  EXPECT_EQ(fault_lines(config),
            std::vector<std::string>{"/sets/2/name: there is a set named \"bots\" already"});
}

TEST(ConfigRules, RefuseWhatIsNoPrefix) {
  EXPECT_EQ(fault_lines(with_rules("access", {{"deny", {"192.0.2.1/24"}}})).size(), 1u);
  EXPECT_EQ(fault_lines(with_rules("access", {{"allow", {"nobody"}}})).size(), 1u);
}

TEST(PoliceRules, AreSaidInTheWordsOfTheConfiguration) {
  json config = with_rules("access", kAccess);
  config["services"][0]["limits"] = kLimits;
  config["sets"] = kSets;
  const auto model = parse_config(config);
  ASSERT_TRUE(model);
  const ServiceModel& service = *model->services.at("web");
  using lb::DecidedRule;
  const auto words = [&](const DecidedRule& rule) {
    const json said = police_rule(rule, service).value_or(json());
    return said["kind"].get<std::string>() + "|" + said["name"].get<std::string>() + "|" +
           said["detail"].get<std::string>();
  };
  const auto access = [](bool is_refusal, uint32_t index, const char* prefix) {
    return DecidedRule{.kind = DecidedRule::Kind::kAccess,
                       .is_refusal = is_refusal,
                       .index = index,
                       .has_prefix = true,
                       .prefix = *Prefix::parse(prefix)};
  };
  EXPECT_EQ(words(access(true, 2, "192.0.2.0/24")), "access|set:bots|denied by set:bots 192.0.2.0/24");
  EXPECT_EQ(words(access(false, 1, "203.0.113.7")), "access|set:office|allowed by set:office 203.0.113.7/32");
  EXPECT_EQ(words(access(true, DecidedRule::kNoIndex, "2001:db8::/32")),
            "access|2001:db8::/32|denied by 2001:db8::/32");
  EXPECT_EQ(words({.kind = DecidedRule::Kind::kAccess, .is_refusal = true}),
            "access|allow|denied: nothing in allow matches");
  const auto limit = [](lb::Limit limit) {
    return DecidedRule{.kind = DecidedRule::Kind::kLimit, .is_refusal = true, .limit = limit};
  };
  EXPECT_EQ(words(limit(lb::Limit::kSourceNewFlows)),
            "limit|per_source new_flows|limited: per_source new_flows 100/s");
  EXPECT_EQ(words(limit(lb::Limit::kPackets)), "limit|packets|limited: packets 1000000/s");
  EXPECT_EQ(words(limit(lb::Limit::kFlows)), "limit|flows|limited: flows 1000000");
  EXPECT_EQ(words(limit(lb::Limit::kSourceFlows)), "limit|per_source flows|limited: per_source flows 100");
  EXPECT_FALSE(police_rule({.kind = DecidedRule::Kind::kRoute}, service));
}

class SetFile : public testing::Test {
 protected:
  std::string write(const std::string& text) {
    const std::string path = directory_.file("set.txt");
    std::ofstream(path) << text;
    return path;
  }
  json config(const std::string& text) {
    json config = with_rules("access", {{"deny", {"set:bots"}}});
    config["sets"] = {
        {{"name", "bots"}, {"addresses", {"198.51.100.0/24"}}, {"file", "file:" + write(text)}}};
    return config;
  }
  TemporaryDirectory directory_;
};

TEST_F(SetFile, HasOnePrefixALineAndComments) {
  const auto model =
      parse_config(config("# bots\n192.0.2.0/24\n\n  203.0.113.7  # one\r\n2001:db8::/32\n2001:db8:1::1"));
  ASSERT_TRUE(model);
  const auto& content = model->sets.at("bots")->content;
  ASSERT_NE(content, nullptr);
  EXPECT_EQ(content->size(), 5u);
  EXPECT_EQ(content->longest_match(*IpAddress::parse("192.0.2.9")), 24);
  EXPECT_EQ(content->longest_match(*IpAddress::parse("203.0.113.7")), 32);
  EXPECT_EQ(content->longest_match(*IpAddress::parse("198.51.100.1")), 24);
  EXPECT_EQ(content->longest_match(*IpAddress::parse("2001:db8:1::1")), 128);
}

TEST_F(SetFile, IsAFaultWhereALineIsWrongAndKeepsItsWordsToItself) {
  const auto found = fault_lines(config("192.0.2.0/24\nroot:secret\n192.0.2.1/24\n"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].starts_with("/sets/0/file: " + directory_.file("set.txt") + ": line 2 "));
  EXPECT_NE(found[0].find("1 more line"), std::string::npos);
  EXPECT_EQ(found[0].find("secret"), std::string::npos);
}

TEST_F(SetFile, IsAFaultWhereItIsNotThere) {
  json missing = with_rules("access", {{"deny", {"set:bots"}}});
  missing["sets"] = {{{"name", "bots"}, {"file", directory_.file("none")}}};
  EXPECT_EQ(fault_lines(missing), std::vector<std::string>{"/sets/0/file: " + directory_.file("none") +
                                                           ": No such file or directory"});
  missing["sets"][0]["file"] = "/dev/zero";
  EXPECT_EQ(fault_lines(missing), std::vector<std::string>{"/sets/0/file: /dev/zero: is no regular file"});
}

/// Compiles one configuration after another.
class CompileRules : public testing::Test {
 protected:
  CompileRules() {
    ports_[0] = {"edge", *MacAddress::parse("02:00:00:00:00:01"), 1500, "net_null", true, ""};
    ports_[1] = {"core", *MacAddress::parse("02:00:00:00:00:02"), 1400, "net_null", true, ""};
  }
  void step(const json& config) {
    auto parsed = parse_config(config);
    ASSERT_TRUE(parsed) << parsed.error().message;
    Model next = std::move(*parsed);
    if (model_) share_unchanged(*model_, next);
    SetContents sets;
    for (const auto& [name, set] : next.sets) {  // as the Gateway does it
      const auto known = effective_ ? effective_->sets.find(name) : sets.end();
      const bool is_same = effective_ && known != effective_->sets.end() && *known->second == *set->content;
      sets.emplace(name, is_same ? known->second : set->content);
    }
    take(std::make_shared<const Model>(std::move(next)), sets);
  }
  void take(std::shared_ptr<const Model> next, const SetContents& sets) {
    auto effective = std::make_shared<Effective>(*test::effective(next, {}, {}, effective_.get()));
    effective->sets = sets;
    auto result = compile({.effective = *effective,
                           .ports = ports_,
                           .generation = ++generation_,
                           .before = effective_.get(),
                           .previous = tables_.get(),
                           .balancers = 2},
                          ids_);
    ASSERT_TRUE(result);
    ids_.commit();
    model_ = std::move(next);
    effective_ = std::move(effective);
    tables_ = result->tables;
  }
  const lb::Service& web() const {
    return (*tables_->services)[*ids_.find_service(identity_of(*model_->services.at("web")))];
  }
  bool admits(const char* source) const { return web().rules->access->admits(*IpAddress::parse(source)); }

  std::vector<dataplane::PortInfo> ports_ = std::vector<dataplane::PortInfo>(2);
  IdRegistry ids_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Effective> effective_;
  std::shared_ptr<const dataplane::Tables> tables_;
  uint64_t generation_ = 0;
};

TEST_F(CompileRules, CostAServiceWithoutRulesNothing) {
  step(test::sample_config());
  EXPECT_EQ(tables_->rules, nullptr);
  EXPECT_EQ(web().rules, nullptr);
  EXPECT_EQ(tables_->access_generation, 0u);
}

TEST_F(CompileRules, LetTheLongestMatchDecide) {
  json config = with_rules("access", {{"allow", {"set:office", "192.0.2.7"}}, {"deny", {"set:bots"}}});
  config["sets"] = kSets;
  step(config);
  EXPECT_FALSE(admits("192.0.2.8"));
  EXPECT_TRUE(admits("192.0.2.7"));
  EXPECT_TRUE(admits("203.0.113.7"));
  EXPECT_FALSE(admits("203.0.113.8"));
  const auto verdict = web().rules->access->judge(*IpAddress::parse("192.0.2.8"));
  EXPECT_EQ(verdict.index, 2u);  // the third entry of both lists
  EXPECT_EQ(verdict.length, 24);
}

TEST_F(CompileRules, SayWhenWhoMaySendHasChangedAndOnlyThen) {
  json config = with_rules("access", {{"deny", {"set:bots"}}});
  config["sets"] = kSets;
  step(config);
  EXPECT_EQ(tables_->access_generation, 1u);
  config["services"][0]["idle_timeout"] = {{"tcp", "77s"}};
  step(config);
  EXPECT_EQ(tables_->access_generation, 1u);
  SetContents sets = effective_->sets;
  sets["bots"] = lb::PrefixSet::build({*Prefix::parse("198.18.0.0/15")});
  take(model_, sets);
  EXPECT_EQ(tables_->access_generation, 3u);
  EXPECT_FALSE(admits("198.18.0.1"));
  EXPECT_TRUE(admits("192.0.2.8"));
}

TEST_F(CompileRules, KeepBucketsAndSourcesThroughOtherChanges) {
  json config = with_rules("limits", kLimits);
  step(config);
  const lb::ServiceRules before = *web().rules;
  config["services"][0]["idle_timeout"] = {{"tcp", "77s"}};
  config["services"][0]["limits"]["flows"] = 7;
  config["services"][0]["limits"]["per_source"]["flows"] = 3;
  config["services"][0]["limits"]["packets"]["rate"] = 5;
  step(config);
  const lb::ServiceRules& now = *web().rules;
  EXPECT_EQ(now.new_flows, before.new_flows);
  EXPECT_NE(now.packets, before.packets);
  EXPECT_EQ(now.most_flows, 7u);
  EXPECT_EQ(now.per_source->flows->table(), before.per_source->flows->table());
  EXPECT_EQ(now.per_source->new_flows->table(), before.per_source->new_flows->table());
  config["services"][0]["limits"]["per_source"]["prefix4"] = 24;
  step(config);
  EXPECT_NE(web().rules->per_source->flows->table(), before.per_source->flows->table());
  EXPECT_NE(web().rules->per_source->flows->epoch(), before.per_source->flows->epoch());
}

TEST_F(CompileRules, TellWhoseFlowsAreCounted) {
  json config = with_rules("limits", {{"flows", 10}});
  config["pools"][0]["limits"] = {{"flows_per_backend", 4}};
  step(config);
  ASSERT_NE(tables_->counted_services, nullptr);
  EXPECT_EQ(*tables_->counted_services,
            std::vector<lb::ServiceId>{*ids_.find_service(identity_of(*model_->services.at("web")))});
  ASSERT_NE(tables_->counted_backends, nullptr);
  EXPECT_EQ(tables_->counted_backends->size(), 3u);
  for (const lb::BackendId id : *tables_->counted_backends)
    EXPECT_EQ((*tables_->backends)[id].most_flows, 4u);
  config["pools"][0].erase("limits");
  step(config);
  for (const lb::Backend& backend : *tables_->backends) EXPECT_EQ(backend.most_flows, 0u);
}

}  // namespace
}  // namespace sluice::ctrl
