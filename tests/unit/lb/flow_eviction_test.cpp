// Which flows give way where a table is full.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/lb/flow_table_fixture.h"

namespace sluice::lb {
namespace {

TEST(FlowTable, FullOfEstablishedFlowsTakesNoMoreButForNat) {
  Table table(8);
  for (uint32_t i = 0; i < 8; ++i) table.insert(numbered_key(i), FlowState::kEstablished, 100 - i);
  EXPECT_EQ(table.insert(numbered_key(8), FlowState::kEmbryonic, 200), nullptr);
  EXPECT_TRUE(table.evicted.empty());
  EXPECT_NE(table.insert(numbered_key(8), FlowState::kEmbryonic, 200, Eviction::kAnyone), nullptr);
  EXPECT_EQ(table.evicted, std::vector{number(7)});
}

TEST(FlowTable, EvictsByStateThenTheOldest) {
  Table table(6);
  table.insert(numbered_key(0), FlowState::kEstablished, 10);
  table.insert(numbered_key(1), FlowState::kAnswered, 20);
  table.insert(numbered_key(2), FlowState::kClosing, 30);
  table.insert(numbered_key(3), FlowState::kHandshake, 40);
  table.insert(numbered_key(4), FlowState::kEmbryonic, 50);
  table.insert(numbered_key(5), FlowState::kStray, 60);
  for (uint32_t i = 6; i < 12; ++i) {
    table.insert(numbered_key(i), FlowState::kEstablished, 70, Eviction::kAnyone);
  }
  EXPECT_EQ(table.evicted, (std::vector{number(5), number(4), number(3), number(2), number(1), number(0)}));
}

TEST(FlowTable, SparesTheLastFewOfAStateWhileALaterOneHasMore) {
  // Closing flows own the table. Whoever comes must not evict who came just before, and is being answered.
  constexpr uint32_t kCapacity = 320, kSpared = kCapacity / 32;
  Table table(kCapacity);
  for (uint32_t i = 0; i < kCapacity; ++i) table.insert(numbered_key(i), FlowState::kClosing);
  for (uint32_t i = 0; i <= kSpared; ++i) table.insert(numbered_key(1000 + i), FlowState::kEmbryonic);
  for (uint32_t i = 0; i <= kSpared; ++i) EXPECT_NE(table.find(numbered_key(1000 + i)), nullptr) << i;
  table.insert(numbered_key(2000), FlowState::kEmbryonic);
  EXPECT_EQ(table.find(numbered_key(1000)), nullptr) << "there are more than a few";
}

TEST(FlowTable, NoFewAreSparedInPlaceOfAnAnsweredFlow) {
  Table table(320);
  for (uint32_t i = 0; i < 319; ++i) table.insert(numbered_key(i), FlowState::kAnswered);
  table.insert(numbered_key(319), FlowState::kStray);
  for (uint32_t i = 320; i < 400; ++i) table.insert(numbered_key(i), FlowState::kStray, 0, Eviction::kAnyone);
  for (uint32_t i = 0; i < 319; ++i) EXPECT_NE(table.find(numbered_key(i)), nullptr) << i;
}

TEST(FlowTable, OfOneStateThoseThatGoOnOutliveThoseThatDoNot) {
  Table table(64);
  for (uint32_t i = 0; i < 64; ++i) table.insert(numbered_key(i), FlowState::kStray, i);
  const std::vector<uint32_t> goes_on = {3, 17, 40, 63};
  for (uint32_t i = 64; i < 1000; ++i) {
    for (const uint32_t one : goes_on) table.find(numbered_key(one))->last_seen_ms = i;
    table.insert(numbered_key(i), FlowState::kStray, i);
    for (const uint32_t one : goes_on)
      ASSERT_NE(table.find(numbered_key(one)), nullptr) << one << " at " << i;
  }
}

TEST(FlowTable, PairsGiveWayInTheOrderOfTheirArrival) {
  Table table(64);
  const auto insert_pair = [&](uint32_t i) {
    FlowEntry* const flow = table.insert(numbered_key(2 * i), FlowState::kEmbryonic);
    table.insert_reply(flow, numbered_key(2 * i + 1));
  };
  for (uint32_t i = 0; i < 32; ++i) insert_pair(i);
  for (uint32_t i = 32; i < 200; ++i) {
    insert_pair(i);
    ASSERT_EQ(table.evicted.back(), number(2 * (i - 32)));
    ASSERT_EQ(table.evicted_replies.back(), number(2 * (i - 32) + 1));
  }
}

TEST(FlowTable, WhatHasLastedUnseenByItsBackendIsTakenForAnswered) {
  for (const auto state : {FlowState::kStray, FlowState::kHandshake}) {
    Table table(2);
    FlowEntry* const lasts = table.insert(numbered_key(0), state, 5000);
    FlowEntry* const burst = table.insert(numbered_key(1), state, 5000);
    lasts->last_seen_ms = 5000 + 1200;
    burst->last_seen_ms = 5000 + 800;
    EXPECT_TRUE(FlowTable::has_lasted(*lasts));
    EXPECT_FALSE(FlowTable::has_lasted(*burst));
    for (uint32_t i = 2; i < 20; ++i) {
      ASSERT_NE(table.insert(numbered_key(i), state, 6300), nullptr);
      ASSERT_NE(table.find(numbered_key(0)), nullptr);
    }
    table.flows->erase(*table.find(numbered_key(19)));
    table.insert(numbered_key(20), FlowState::kEstablished, 6300);
    EXPECT_EQ(table.insert(numbered_key(21), state, 6300), nullptr);
    EXPECT_EQ(lasts->state, FlowState::kEstablished) << "found so when it was looked at";
  }
}

TEST(FlowTable, SynsAloneAndFlowsThatAwaitAnswersDoNotLast) {
  Table table(8);
  FlowEntry* const syns = table.insert(numbered_key(0), FlowState::kEmbryonic, 0);
  FlowEntry* const nat = table.insert(numbered_key(1), FlowState::kStray, 0);
  table.insert_reply(nat, numbered_key(2));
  syns->last_seen_ms = nat->last_seen_ms = 5000;
  EXPECT_FALSE(FlowTable::has_lasted(*syns));
  EXPECT_FALSE(FlowTable::has_lasted(*nat));
}

TEST(FlowTable, AFullPairOfBucketsGivesUpItsOldestOfTheFirstRank) {
  Table table(100, 1);  // one bucket: full long before the table
  for (uint32_t i = 0; i < 8; ++i) {
    table.insert(numbered_key(i), i < 4 ? FlowState::kEstablished : FlowState::kEmbryonic, 100 - i);
  }
  ASSERT_NE(table.insert(numbered_key(8), FlowState::kEstablished, 200), nullptr);
  EXPECT_EQ(table.evicted, std::vector{number(7)});
  ASSERT_NE(table.find(numbered_key(8)), nullptr);
  for (const uint32_t i : {4u, 5u, 6u}) table.set_state(numbered_key(i), FlowState::kEstablished);
  EXPECT_EQ(table.insert(numbered_key(9), FlowState::kEstablished, 200), nullptr);
  EXPECT_NE(table.insert(numbered_key(9), FlowState::kEstablished, 200, Eviction::kAnyone), nullptr);
  EXPECT_EQ(table.evicted.back(), number(6));
}

TEST(FlowTable, EvictionSparesTheFlowWhosePeerIsInUse) {
  Table table(3);
  FlowEntry* const forward = table.insert(numbered_key(0), FlowState::kEstablished, 90);
  table.insert_reply(forward, numbered_key(1), 1);  // a reply never seen, of a flow that is in use
  table.insert(numbered_key(2), FlowState::kEstablished, 50);
  ASSERT_NE(table.insert(numbered_key(4), FlowState::kEstablished, 100, Eviction::kAnyone), nullptr);
  EXPECT_EQ(table.evicted, std::vector{number(2)});
}

TEST(FlowTable, ARepliesRoomIsNotThatOfItsOwnRequest) {
  for (const auto eviction : {Eviction::kUnanswered, Eviction::kAnyone}) {
    Table table(2);
    FlowEntry* const request = table.insert(numbered_key(0), FlowState::kEmbryonic);
    table.insert(numbered_key(1), FlowState::kEmbryonic);
    ASSERT_NE(table.insert_reply(request, numbered_key(2), 1, eviction), nullptr);
    EXPECT_EQ(table.evicted, std::vector{number(1)});
    EXPECT_EQ(table.find(numbered_key(0))->peer, table.flows->index_of(*table.find(numbered_key(2))));
  }
  Table table(1);
  FlowEntry* const request = table.insert(numbered_key(0), FlowState::kEmbryonic);
  EXPECT_EQ(table.insert_reply(request, numbered_key(1), 1, Eviction::kAnyone), nullptr);
  EXPECT_TRUE(table.evicted.empty());
}

TEST(FlowTable, EvictingOneOfAPairMakesRoomForTwo) {
  Table table(2);
  table.insert_reply(table.insert(numbered_key(0), FlowState::kEmbryonic), numbered_key(1));
  EXPECT_NE(table.insert(numbered_key(2), FlowState::kEstablished, 5), nullptr);
  EXPECT_NE(table.insert(numbered_key(3), FlowState::kEstablished, 5), nullptr);
  EXPECT_EQ(table.evicted.size(), 1u);
  EXPECT_EQ(table.flows->size(), 2u);
}

TEST(FlowTable, AFloodRecyclesItselfInOrderAndLeavesTheEstablished) {
  constexpr uint32_t kEstablishedFlows = 500, kCapacity = 1000;
  Table table(kCapacity);
  for (uint32_t i = 0; i < kEstablishedFlows; ++i) table.insert(numbered_key(i), FlowState::kEstablished);
  for (uint32_t i = kEstablishedFlows; i < 20'000; ++i) {
    const auto eviction = i % 2 == 0 ? Eviction::kAnyone : Eviction::kUnanswered;
    table.insert(numbered_key(i), FlowState::kEmbryonic, i, eviction);
  }
  for (uint32_t i = 0; i < kEstablishedFlows; ++i) ASSERT_NE(table.find(numbered_key(i)), nullptr) << i;
  EXPECT_NE(table.find(numbered_key(19'999)), nullptr);
}

}  // namespace
}  // namespace sluice::lb
