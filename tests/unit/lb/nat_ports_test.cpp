#include "lb/nat_ports.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/lb/fixtures.h"

namespace sluice::lb {
namespace {

TEST(PortSlice, SlicesCoverEveryPortOnceAndKnowTheirOwner) {
  for (const unsigned workers : {1u, 2u, 3u, 7u, 16u, 31u, 128u, 1000u}) {
    unsigned next = 1024;
    for (unsigned index = 0; index < workers; ++index) {
      const PortSlice slice = port_slice(index, workers);
      ASSERT_EQ(slice.first, next) << index << " of " << workers;
      ASSERT_LE(slice.first, slice.last);
      ASSERT_EQ(port_owner(slice.first, workers), index) << workers;
      ASSERT_EQ(port_owner(slice.last, workers), index) << workers;
      next = slice.last + 1u;
    }
    ASSERT_EQ(next, 65536u) << workers;
    ASSERT_EQ(port_owner(80, workers), 0u);
  }
}

class Translate : public testing::Test {
 protected:
  Translate() : flows(entries, addresses6, buckets, 1) {}

  FlowEntry& insert(const FlowKey& key, FlowState state, uint32_t now_ms = 0) {
    return *flows.insert(key, flows.hash(key), state, now_ms, FlowTable::Eviction::kUnanswered,
                         [](const FlowEntry&) { FAIL(); });
  }
  std::optional<Translation> both(const FlowKey& key, PortSlice ports, uint32_t now_ms = 0,
                                  FlowState state = FlowState::kEmbryonic) {
    return translate_both(flows, key, backend, snat, PortUse(ports, 64, 0), turn, {state, now_ms});
  }
  std::optional<Translation> destination(const FlowKey& key, FlowState state = FlowState::kEmbryonic) {
    return translate_destination(flows, key, backend, flows.hash(reply_key(key, backend)), state);
  }

  std::vector<FlowEntry> entries{4096};
  std::vector<Addresses6> addresses6{entries.size()};
  std::vector<FlowTable::Bucket> buckets{FlowTable::buckets_for(4096)};
  FlowTable flows;
  Backend backend{.address = address("10.20.0.11"), .port = port(8080)};
  std::vector<IpAddress> snat = {address("10.20.0.1"), address("fd20::1"), address("10.20.0.2")};
  uint32_t turn = 0;
  const FlowKey key = flow_key("192.0.2.7", 40000, "203.0.113.10", 80);
};

TEST_F(Translate, DestinationAloneKeepsTheClient) {
  const auto translation = destination(key);
  ASSERT_TRUE(translation);
  EXPECT_EQ(translation->reply, flow_key("10.20.0.11", 8080, "192.0.2.7", 40000));
  EXPECT_EQ(translation->source_port, port(40000));
}

TEST_F(Translate, APortOfZeroKeepsThePacketsOwn) {
  backend.port = port(0);
  EXPECT_EQ(destination(key)->reply.source_port, port(80));
  EXPECT_EQ(both(key, {2000, 2009})->reply.source_port, port(80));
}

TEST_F(Translate, DestinationAloneRefusesAKeyThatAnAnsweredFlowHas) {
  const FlowKey other = flow_key("192.0.2.7", 40000, "203.0.113.99", 80);
  const FlowKey reply = destination(other)->reply;
  FlowEntry& flow = insert(other, FlowState::kEstablished);
  flows.insert_reply(flow, reply, flows.hash(reply), 0, FlowTable::Eviction::kUnanswered,
                     [](const FlowEntry&) { FAIL(); });
  EXPECT_FALSE(destination(key));
  EXPECT_TRUE(destination(other)) << "its own";
  flows.set_state(flow, FlowState::kAnswered, 0);
  EXPECT_FALSE(destination(key));
  for (const auto state :
       {FlowState::kStray, FlowState::kEmbryonic, FlowState::kHandshake, FlowState::kClosing}) {
    flows.set_state(flow, state, 0);
    ASSERT_TRUE(destination(key)) << "it gives way";
    EXPECT_EQ(destination(key)->displaced, flow.peer);
    EXPECT_EQ(destination(key, FlowState::kStray).has_value(), state == FlowState::kStray);
  }
}

TEST_F(Translate, BothUsesEachAddressAndPortOnceAndThenIsExhausted) {
  std::set<std::pair<IpAddress, uint16_t>> used;
  const PortSlice ports{2000, 2015};
  for (unsigned i = 0; i < 32; ++i) {
    const FlowKey client = flow_key("192.0.2.7", 40000 + i, "203.0.113.10", 80);
    const auto translation = both(client, ports);
    ASSERT_TRUE(translation) << i;
    EXPECT_EQ(translation->reply.source, backend.address);
    EXPECT_EQ(translation->reply.source_port, port(8080));
    EXPECT_EQ(translation->reply.destination, snat[translation->snat]);
    EXPECT_EQ(translation->reply.destination_port, translation->source_port);
    EXPECT_TRUE(translation->reply.destination.is_v4());
    EXPECT_GE(translation->source_port.host(), 2000);
    EXPECT_LE(translation->source_port.host(), 2015);
    EXPECT_TRUE(used.emplace(translation->reply.destination, translation->source_port.host()).second);
    insert(translation->reply, FlowState::kEstablished);
  }
  EXPECT_FALSE(both(key, ports));
}

TEST_F(Translate, BothUsesAPortAgainTowardsAnotherBackend) {
  const PortSlice ports{2000, 2000};
  snat = {address("10.20.0.1")};
  insert(both(key, ports)->reply, FlowState::kEstablished);
  EXPECT_FALSE(both(key, ports));
  backend.address = address("10.20.0.12");
  EXPECT_TRUE(both(key, ports));
}

TEST_F(Translate, BothTakesAnAddressOfTheBackendsFamily) {
  backend.address = address("fd20::11");
  const FlowKey client = flow_key("2001:db8::7", 40000, "2001:db8:1::10", 80);
  for (unsigned i = 0; i < 10; ++i) EXPECT_EQ(both(client, {2000, 2009})->snat, 1);
  snat = {address("10.20.0.1")};
  EXPECT_FALSE(both(client, {2000, 2009}));
  snat.clear();
  EXPECT_FALSE(both(client, {2000, 2009}));
}

TEST_F(Translate, BothTakesThePortOfWhoGivesWayFirstWhenNoneIsFree) {
  const PortSlice ports{2000, 2006};
  snat = {address("10.20.0.1")};
  std::vector<FlowEntry*> users;
  for (const auto& [state, seen_ms] : {std::pair{FlowState::kEstablished, 10u},
                                       {FlowState::kAnswered, 10u},
                                       {FlowState::kClosing, 20u},
                                       {FlowState::kHandshake, 30u},
                                       {FlowState::kEmbryonic, 50u},
                                       {FlowState::kEmbryonic, 40u},
                                       {FlowState::kStray, 60u}}) {
    users.push_back(&insert(both(key, ports)->reply, state, seen_ms));
  }
  for (const size_t next : {6u, 5u, 4u, 3u, 2u}) {
    const auto translation = both(key, ports, 500);
    ASSERT_TRUE(translation);
    EXPECT_EQ(translation->displaced, flows.index_of(*users[next]));
    EXPECT_EQ(translation->reply, flows.key_of(*users[next]));
    EXPECT_EQ(both(key, ports, 500, FlowState::kStray).has_value(), next == 6)
        << "a stray one takes from its like";
    flows.set_state(*users[next], FlowState::kEstablished, 0);
  }
  EXPECT_FALSE(both(key, ports, 500)) << "answered ones keep theirs";
}

}  // namespace
}  // namespace sluice::lb
