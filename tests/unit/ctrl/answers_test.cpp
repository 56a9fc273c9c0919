// The answers that are made without a gateway: service.table, trace.explain, and the words in all of them.
#include <gtest/gtest.h>

#include "ctrl/rpc/methods/explanation.h"
#include "ctrl/rpc/methods/service_table.h"
#include "ctrl/rpc/methods/words.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

lb::WeightedEndpoint endpoint(const char* address, uint16_t port, lb::BackendId id) {
  return {{IpAddress::parse(address).value(), Be16::from_host(port), IpProtocol::kTcp}, 1, id};
}

TEST(ServiceTable, HashesTheEndpointOfEverySlot) {
  const std::array one = {endpoint("192.0.2.1", 8080, 7)};
  const auto table = lb::PoolTable::build(0, one, 101, SipKey{}, {});
  const auto object = table_object("web", *table);
  EXPECT_EQ(object["service"], "web");
  EXPECT_EQ(object["size"], 101);
  EXPECT_EQ(object["slots"], (json{{"192.0.2.1:8080", 101}}));
  // python3: hashlib.sha256((bytes(10) + b'\xff\xff\xc0\0\2\1\x1f\x90\6') * 101).hexdigest()
  EXPECT_EQ(object["sha256"], "21d41372df932e9533ed87acc0635ba18d9ca10a59f287cf92fe850cb9b6e5a7");
}

TEST(ServiceTable, CountsTheSlotsOfEach) {
  const std::array two = {endpoint("192.0.2.1", 0, 1), endpoint("2001:db8::1", 53, 2)};
  const auto object = table_object("dns", *lb::PoolTable::build(0, two, 1021, SipKey{1, 2}, {}));
  const auto& slots = object["slots"];
  ASSERT_EQ(slots.size(), 2u);
  EXPECT_EQ(slots["192.0.2.1:0"].get<int>() + slots["[2001:db8::1]:53"].get<int>(), 1021);
  EXPECT_NEAR(slots["192.0.2.1:0"].get<int>(), 510, 1);
}

TEST(ServiceTable, AnEmptyTableIsTheHashOfNothing) {
  const auto object = table_object("web", *lb::PoolTable::build(0, {}, 101, SipKey{}, {}));
  EXPECT_EQ(object["size"], 0);
  EXPECT_EQ(object["sha256"], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Explanation, NamesWhatIsThere) {
  dataplane::Explanation picked{dataplane::Explanation::Verdict::kPicked, 1, 2, 77,
                                dataplane::DropReason::kNone};
  const ExplanationNames names{"web", BackendKey{"pool", IpAddress::parse("192.0.2.1").value(), 80},
                               "active"};
  const auto object = explanation_object(picked, names);
  EXPECT_EQ(object["decision"], "picked");
  EXPECT_EQ(object["slot"], 77);
  EXPECT_EQ(object["backend"],
            (json{{"pool", "pool"}, {"address", "192.0.2.1"}, {"port", 80}, {"state", "active"}}));
  EXPECT_EQ(object["drop_reason"], nullptr);
  EXPECT_EQ(object["text"], "service web: a new flow, for which slot 77 picks 192.0.2.1:80 of pool pool");
}

TEST(Explanation, ADropHasItsReason) {
  dataplane::Explanation dropped;
  dropped.drop = dataplane::DropReason::kNoService;
  const auto object = explanation_object(dropped, {});
  EXPECT_EQ(object["decision"], "dropped");
  EXPECT_EQ(object["drop_reason"], "no_service");
  for (const char* absent : {"service", "slot", "backend"}) EXPECT_EQ(object[absent], nullptr);
}

TEST(Explanation, TellsTheRouteAndTheSplitThatDecided) {
  auto service = std::make_shared<ServiceModel>();
  service->split = {{"web", 90}, {"canary", 10}};
  service->routes = {{{*Prefix::parse("192.0.2.0/24")}, "", {{"left", 1}, {"right", 3}}},
                     {{*Prefix::parse("2001:db8::/32")}, "canary"}};
  using Kind = lb::DecidedRule::Kind;
  const auto rules_of = [&](const std::vector<lb::DecidedRule>& decided) {
    dataplane::Explanation picked{dataplane::Explanation::Verdict::kPicked, 1, 2, 77,
                                  dataplane::DropReason::kNone};
    for (const auto& rule : decided) picked.rules.add(rule);
    return explanation_object(picked, {"web", std::nullopt, "", service});
  };
  EXPECT_EQ(rules_of({})["rules"], json::array());
  EXPECT_EQ(rules_of({{.kind = Kind::kSplit, .index = 1}})["rules"],
            (json{{{"kind", "split"}, {"name", "canary"}, {"detail", "weight 10 of 100"}}}));
  const auto routed = rules_of(
      {{.kind = Kind::kRoute, .index = 0, .has_prefix = true, .prefix = *Prefix::parse("192.0.2.0/24")},
       {.kind = Kind::kSplit, .index = 1}});
  EXPECT_EQ(routed["rules"],
            (json{{{"kind", "route"}, {"name", "split"}, {"detail", "source 192.0.2.0/24 of routes/0"}},
                  {{"kind", "split"}, {"name", "right"}, {"detail", "weight 3 of 4"}}}));
  EXPECT_NE(routed["text"].get<std::string>().find("; split: right (weight 3 of 4)"), std::string::npos);
  const auto to_pool = rules_of(
      {{.kind = Kind::kRoute, .index = 1, .has_prefix = true, .prefix = *Prefix::parse("2001:db8::/32")}});
  EXPECT_EQ(to_pool["rules"][0]["name"], "canary");
  EXPECT_EQ(rules_of({{.kind = Kind::kSplit, .index = 7}})["rules"], json::array());  // changed meanwhile
}

TEST(Words, TimesAreUtcWithMilliseconds) {
  using namespace std::chrono;
  EXPECT_EQ(time_text(system_clock::time_point(milliseconds(0))), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(time_text(system_clock::time_point(milliseconds(1'700'000'000'042))), "2023-11-14T22:13:20.042Z");
}

TEST(Words, ABackendComesBackAsItWasNamed) {
  const BackendKey key{"web", IpAddress::parse("2001:db8::1").value(), 443};
  EXPECT_EQ(backend_key(backend_object(key)), key);
}

}  // namespace
}  // namespace sluice::ctrl
