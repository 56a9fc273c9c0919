// Access lists and limits, packet by packet: who is dropped, what ends, and that the short way of known flows
// is kept where it may be.
#include <algorithm>
#include <memory>

#include "dataplane/stages/police.h"
#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

using dataplane::Tables;
using lb::ServiceRules;

Prefix host(const char* address) {
  return Prefix::parse(address).value();
}

std::shared_ptr<const lb::AccessList> deny(const char* address) {
  std::vector<lb::AccessList::Part> parts;
  parts.push_back({lb::PrefixSet::build({host(address)}), false, 0});
  return std::make_shared<const lb::AccessList>(std::move(parts), true);
}
std::shared_ptr<const lb::AccessList> allow(const char* address) {
  std::vector<lb::AccessList::Part> parts;
  parts.push_back({lb::PrefixSet::build({host(address)}), true, 0});
  return std::make_shared<const lb::AccessList>(std::move(parts), false);
}

/// Tables with that service, whose rules are these; `generation` says which access list it is.
std::shared_ptr<Tables> with_rules(const ServiceSpec& spec, ServiceRules rules, uint64_t generation = 1) {
  auto tables = make_tables({spec});
  auto list = std::make_shared<dataplane::RuleList>();
  list->push_back(std::make_shared<const ServiceRules>(std::move(rules)));
  auto services = std::make_shared<std::vector<lb::Service>>(*tables->services);
  services->front().rules = list->front().get();
  if (list->front()->access) tables->access_generation = generation;
  tables->services = std::move(services);
  tables->rules = std::move(list);
  return tables;
}

/// How many drops of a reason the recorder has as the service's.
size_t recorded(TestGateway& gateway, DropReason reason) {
  return static_cast<size_t>(std::ranges::count_if(
      gateway.worker().drops.recorder().of(reason),
      [](const dataplane::DropRecord& record) { return record.number != 0 && record.note.service == 0; }));
}

class Police : public testing::TestWithParam<std::tuple<Family, ForwardMode>> {
 protected:
  const Family& family() const { return std::get<0>(GetParam()); }
  ForwardMode mode() const { return std::get<1>(GetParam()); }
  ServiceSpec spec() const {
    return {.address = family().vip,
            .forward = mode(),
            .backends = {{.address = family().backend, .port = 8080}}};
  }
  PacketBuilder request(const char* client, uint16_t port = 40000) const {
    return ip(client, family().vip).tcp(port, 80);
  }
  void send(TestGateway& gateway, const PacketBuilder& packet) const {
    gateway.receive(kEdge, from_client(packet));
  }
};
INSTANTIATE_TEST_SUITE_P(All, Police,
                         testing::Combine(testing::Values(kIpv4, kIpv6),
                                          testing::Values(ForwardMode::kFullNat, ForwardMode::kDnat,
                                                          ForwardMode::kIpip, ForwardMode::kGue,
                                                          ForwardMode::kDirect)));

TEST_P(Police, DropsNewFlowsOfWhoIsDenied) {
  TestGateway gateway(with_rules(spec(), {.access = deny(family().client)}));
  send(gateway, request(family().client).syn());
  send(gateway, request(family().client));
  EXPECT_EQ(gateway.dropped(DropReason::kDenied), 2u);
  send(gateway, request(family().client2).syn());
  EXPECT_EQ(gateway.sent(kCore).size(), 1u);
  EXPECT_EQ(gateway.dropped(), 2u);
  EXPECT_EQ(recorded(gateway, DropReason::kDenied), 2u);
  expect_counters_to_add_up(gateway);
}

/// Once something was refused, plain packets are asked about first.
TEST_P(Police, TellsOfAFloodAsOfItsFirstPacket) {
  TestGateway gateway(with_rules(spec(), {.access = deny(family().client)}));
  for (int i = 0; i < 3; ++i) {
    for (uint16_t port = 1000; port < 1020; ++port) {
      gateway.put(kEdge, from_client(request(port % 4 == 0 ? family().client2 : family().client, port)));
    }
    gateway.put(kEdge, from_client(ip(family().vip, family().vip).tcp(7, 80)));  // a martian
    gateway.put(kEdge, from_client(request(family().client).syn()));             // is not plain
    gateway.settle();
  }
  EXPECT_EQ(gateway.dropped(DropReason::kDenied), 3u * 16);
  EXPECT_EQ(recorded(gateway, DropReason::kDenied), 3u * 16);
  EXPECT_EQ(gateway.dropped(DropReason::kMalformedL3), 3u);
  EXPECT_EQ(gateway.sent(kCore).size(), 3u * 5);
  expect_counters_to_add_up(gateway);
}

TEST_P(Police, LetsPacketsThroughAgainOnceThereAreTokens) {
  const auto bucket = std::make_shared<lb::SharedBucket>(lb::Rate::of(1'000, 3), 1);
  TestGateway gateway(with_rules(spec(), {.packets = bucket}));
  for (int i = 0; i < 5; ++i) {
    for (uint16_t port = 1000; port < 1020; ++port) {
      gateway.put(kEdge, from_client(request(family().client, port)));
    }
    gateway.settle();
    EXPECT_EQ(gateway.sent(kCore).size(), i == 0 ? 3u : 2u);
    gateway.advance_ms(2);
  }
  EXPECT_EQ(gateway.dropped(DropReason::kRateLimited), 100u - 11);
}

TEST_P(Police, AdmitsNobodyElseWhereSomebodyIsAllowed) {
  TestGateway gateway(with_rules(spec(), {.access = allow(family().client)}));
  send(gateway, request(family().client2).syn());
  EXPECT_EQ(gateway.dropped(DropReason::kDenied), 1u);
  send(gateway, request(family().client).syn());
  EXPECT_EQ(gateway.sent(kCore).size(), 1u);
}

TEST_P(Police, CutsALiveFlowWhoseSourceIsDenied) {
  TestGateway gateway(with_rules(spec(), {.access = deny(family().client2)}));
  for (int i = 0; i < 3; ++i) send(gateway, request(family().client));
  const Frames to_backend = gateway.sent(kCore);
  ASSERT_EQ(to_backend.size(), 3u);
  EXPECT_TRUE(is_known(gateway));  // the list costs a known flow nothing
  gateway.publish(with_rules(spec(), {.access = deny(family().client)}, 2));
  send(gateway, request(family().client));
  EXPECT_EQ(gateway.dropped(DropReason::kDenied), 1u);
  EXPECT_EQ(recorded(gateway, DropReason::kDenied), 1u);
  EXPECT_EQ(gateway.worker().balancer.flows().size(), 0u);
  EXPECT_TRUE(gateway.sent(kCore).empty());
}

TEST_P(Police, EndsIdleFlowsOfWhoIsDeniedByItself) {
  TestGateway gateway(with_rules(spec(), {.access = deny(family().client2)}));
  send(gateway, request(family().client));
  send(gateway, request(family().client, 40001));
  send(gateway, ip(family().router, family().vip).tcp(1, 80));
  const size_t of_one = gateway.worker().balancer.flows().size() / 3;
  gateway.publish(with_rules(spec(), {.access = deny(family().client)}, 2));
  gateway.settle();
  EXPECT_EQ(gateway.worker().balancer.flows().size(), of_one);
  EXPECT_FALSE(gateway.worker().police.is_sweeping);
}

TEST_P(Police, GoesOnWithFlowsOfOthersByTheShortWay) {
  TestGateway gateway(with_rules(spec(), {.access = deny(family().client2)}));
  for (int i = 0; i < 2; ++i) send(gateway, request(family().client));
  gateway.publish(with_rules(spec(), {.access = deny(family().router)}, 2));
  gateway.settle();
  for (int i = 0; i < 2; ++i) send(gateway, request(family().client));
  EXPECT_TRUE(is_known(gateway));
  EXPECT_EQ(gateway.sent(kCore).size(), 4u);
}

TEST_P(Police, CountsEveryPacketOfAServiceWithSuchALimit) {
  const auto bucket = std::make_shared<lb::SharedBucket>(lb::Rate::of(0.001, 5), 1);
  TestGateway gateway(with_rules(spec(), {.packets = bucket}));
  for (int i = 0; i < 9; ++i) send(gateway, request(family().client));
  EXPECT_EQ(gateway.sent(kCore).size(), 5u);
  EXPECT_EQ(gateway.dropped(DropReason::kRateLimited), 4u);
  EXPECT_EQ(recorded(gateway, DropReason::kRateLimited), 4u);
  EXPECT_TRUE(is_known(gateway));
  expect_counters_to_add_up(gateway);
}

/// As many packets of known flows in one burst, which the short way looks at eight at a time.
void burst_of_known(TestGateway& gateway, const Family& family, size_t packets, uint16_t flows) {
  for (size_t i = 0; i < packets; ++i) {
    const auto port = static_cast<uint16_t>(1000 + i % flows);
    gateway.put(kEdge, from_client(ip(family.client, family.vip).tcp(port, 80)));
  }
  gateway.settle();
}

TEST_P(Police, CountsKnownPacketsEightAtATimeToTheLastToken) {
  constexpr uint64_t kBucket = 300;  // of which a worker leases 18 at once
  const auto bucket = std::make_shared<lb::SharedBucket>(lb::Rate::of(0.001, kBucket), 1);
  TestGateway gateway(with_rules(spec(), {.packets = bucket}));
  for (int i = 0; i < 13; ++i) burst_of_known(gateway, family(), 29, 5);
  EXPECT_EQ(gateway.sent(kCore).size(), kBucket);
  EXPECT_EQ(gateway.dropped(DropReason::kRateLimited), 13 * 29 - kBucket);
  EXPECT_EQ(recorded(gateway, DropReason::kRateLimited), std::min<size_t>(13 * 29 - kBucket, 64));
  expect_counters_to_add_up(gateway);
}

TEST_P(Police, CountsKnownPacketsOfASourceEightAtATime) {
  ServiceRules rules;
  rules.per_source.emplace();
  rules.per_source->prefix6 = 128;
  rules.per_source->packets.emplace(lb::Rate::of(0.001, 77), std::make_shared<lb::SourceTable>(10));
  TestGateway gateway(with_rules(spec(), std::move(rules)));
  for (int i = 0; i < 5; ++i) burst_of_known(gateway, family(), 27, 3);
  EXPECT_TRUE(is_known(gateway));
  EXPECT_EQ(gateway.sent(kCore).size(), 77u);
  EXPECT_EQ(gateway.dropped(DropReason::kRateLimited), 5u * 27 - 77);
  send(gateway, request(family().client2));
  EXPECT_EQ(gateway.sent(kCore).size(), 1u);
}

TEST_P(Police, CountsKnownPacketsOfSeveralSourcesEightAtATime) {
  ServiceRules rules;
  rules.per_source.emplace();
  rules.per_source->prefix6 = 128;
  rules.per_source->packets.emplace(lb::Rate::of(0.001, 31), std::make_shared<lb::SourceTable>(10));
  TestGateway gateway(with_rules(spec(), std::move(rules)));
  size_t offered[2] = {};
  uint32_t random = 1;
  for (int burst = 0; burst < 8; ++burst) {
    for (int i = 0; i < 9; ++i) {
      random = random * 1664525 + 1013904223;
      const bool is_other = random >> 30 == 0;  // one of four, at any place of eight
      ++offered[is_other];
      gateway.put(kEdge, from_client(request(is_other ? family().client2 : family().client,
                                             static_cast<uint16_t>(1000 + (random >> 20) % 3))));
    }
    gateway.settle();
  }
  ASSERT_GT(offered[0], 31u);
  ASSERT_LT(offered[1], 31u);
  EXPECT_EQ(gateway.sent(kCore).size(), 31u + offered[1]);
  EXPECT_EQ(gateway.dropped(DropReason::kRateLimited), offered[0] - 31u);
  expect_counters_to_add_up(gateway);
}

TEST_P(Police, CountsPacketsOfEachSourceApart) {
  ServiceRules rules;
  rules.per_source.emplace();
  rules.per_source->prefix6 = 128;
  rules.per_source->packets.emplace(lb::Rate::of(0.001, 5), std::make_shared<lb::SourceTable>(10));
  TestGateway gateway(with_rules(spec(), std::move(rules)), {.rx_workers = 2, .splits_flows = true});
  for (uint16_t i = 0; i < 20; ++i) {  // of flows that different workers own, several in a burst
    gateway.put(kEdge, from_client(request(family().client, static_cast<uint16_t>(1000 + i % 7))), i % 2);
    gateway.put(kEdge, from_client(request(family().client2, static_cast<uint16_t>(1000 + i % 7))), i % 2);
  }
  gateway.settle();
  EXPECT_EQ(gateway.sent(kCore).size(), 10u);
  EXPECT_EQ(gateway.dropped(DropReason::kRateLimited), 30u);
}

TEST_P(Police, RefusesNewFlowsOverTheLimitAndGoesOnWithOthers) {
  const auto bucket = std::make_shared<lb::SharedBucket>(lb::Rate::of(0.001, 2), 1);
  TestGateway gateway(with_rules(spec(), {.new_flows = bucket}));
  for (uint16_t port = 1000; port < 1005; ++port) send(gateway, request(family().client, port).syn());
  EXPECT_EQ(gateway.dropped(DropReason::kRateLimited), 3u);
  for (int i = 0; i < 5; ++i) send(gateway, request(family().client, 1000));
  EXPECT_EQ(gateway.dropped(), 3u);
  EXPECT_EQ(gateway.sent(kCore).size(), 7u);
}

TEST_P(Police, DropsErrorsAboutFlowsOfWhoIsDenied) {
  if (mode() == ForwardMode::kFullNat || mode() == ForwardMode::kDnat) return;
  TestGateway gateway(with_rules(spec(), {.access = deny(family().client)}));
  const auto error_about = [&](const char* sender, const char* client) {
    const PacketBuilder quoted = ip(family().vip, client).tcp(80, 40000);
    const bool v4 = family().header == 20;
    return v4 ? ip(sender, family().vip).icmp(3, 1, 0).payload(quoted)
              : ip(sender, family().vip).icmp(1, 3, 0).payload(quoted);
  };
  send(gateway, error_about(family().router, family().client));
  EXPECT_EQ(gateway.dropped(DropReason::kDenied), 1u);
  send(gateway, error_about(family().client, family().client2));  // it is named, so it is not heard
  EXPECT_EQ(gateway.dropped(DropReason::kDenied), 2u);
  send(gateway, error_about(family().router, family().client2));
  EXPECT_EQ(gateway.dropped(), 2u);
  EXPECT_EQ(recorded(gateway, DropReason::kDenied), 2u);
  EXPECT_EQ(gateway.sent(kCore).size(), 1u);
}

class PoliceAnswers : public FamilyTest {};
INSTANTIATE_FOR_FAMILIES(PoliceAnswers);

TEST_P(PoliceAnswers, AreDroppedWhereTheirClientIsDenied) {
  const ServiceSpec spec = service(ForwardMode::kFullNat);
  TestGateway gateway(with_rules(spec, {.access = deny(family().client2)}));
  gateway.receive(kEdge, from_client(request().syn()));
  const Frames out = gateway.sent(kCore);
  ASSERT_EQ(out.size(), 1u);
  const PacketBuilder answer = ip(family().backend, family().snat).tcp(8080, source_port_of(out[0]));
  gateway.receive(kCore, from_backend(family().backend, answer));
  EXPECT_EQ(gateway.sent(kEdge).size(), 1u);
  auto denied = with_rules(spec, {.access = deny(family().client)}, 2);
  gateway.publish(denied);
  gateway.put(kCore, from_backend(family().backend, answer));
  gateway.poll();
  EXPECT_EQ(gateway.dropped(DropReason::kDenied), 1u);
  EXPECT_TRUE(gateway.sent(kEdge).empty());
  gateway.receive(kCore, from_backend(family().backend, answer));
  EXPECT_TRUE(gateway.sent(kEdge).empty());
}

TEST_P(PoliceAnswers, AreNotCounted) {
  const auto bucket = std::make_shared<lb::SharedBucket>(lb::Rate::of(0.001, 1), 1);
  TestGateway gateway(with_rules(service(ForwardMode::kFullNat), {.packets = bucket}));
  gateway.receive(kEdge, from_client(request().syn()));
  const Frames out = gateway.sent(kCore);
  ASSERT_EQ(out.size(), 1u);
  const PacketBuilder answer = ip(family().backend, family().snat).tcp(8080, source_port_of(out[0]));
  for (int i = 0; i < 5; ++i) gateway.receive(kCore, from_backend(family().backend, answer));
  EXPECT_EQ(gateway.sent(kEdge).size(), 5u);
  EXPECT_EQ(gateway.dropped(), 0u);
}

}  // namespace
}  // namespace sluice::test
