// The gateway answers for its own addresses and defends them.
#include "tests/unit/dataplane/neighbors_fixture.h"

namespace sluice::dataplane {
namespace {

/// Somebody else says that he has one of our addresses.
Bytes claim_of(const Family& family, const char* address, const char* mac) {
  if (family.header == 20) {
    return ethernet({mac, kBroadcast}, test::arp(1, mac, address, kNoMac, address), 0x0806);
  }
  return advertisement(mac, address, "33:33:00:00:00:01", "ff02::1", address, 0x20000000);
}

TEST_P(NeighborsOf, AnswerForPortsSnatAndVips) {
  const Family& family = GetParam();
  for (const char* ours : {family.edge, family.snat, family.vip}) {
    if (v4()) {
      gateway_.receive(kEdge, ethernet({test::kRouterMac, kBroadcast},
                                       test::arp(1, test::kRouterMac, family.router, kNoMac, ours), 0x0806));
      EXPECT_EQ(gateway_.sent(kEdge),
                Frames{ethernet({kEdgeMac, test::kRouterMac},
                                test::arp(2, kEdgeMac, ours, test::kRouterMac, family.router), 0x0806)})
          << ours;
    } else {
      gateway_.receive(
          kEdge, solicitation(test::kRouterMac, family.router, group_mac_of(ours), group_of(ours), ours));
      EXPECT_EQ(gateway_.sent(kEdge),
                Frames{advertisement(kEdgeMac, ours, test::kRouterMac, family.router, ours, 0x60000000)})
          << ours;
    }
  }
}

TEST_P(NeighborsOf, LeaveOthersToAnswerForThemselves) {
  const Family& family = GetParam();
  for (const char* theirs : {family.core, family.client, family.backend2}) {
    const Bytes asked =
        v4() ? ethernet({test::kRouterMac, kBroadcast},
                        test::arp(1, test::kRouterMac, family.router, kNoMac, theirs), 0x0806)
             : solicitation(test::kRouterMac, family.router, group_mac_of(theirs), group_of(theirs), theirs);
    gateway_.receive(kEdge, asked);
    EXPECT_TRUE(gateway_.sent(kEdge).empty()) << theirs;
  }
}

TEST_P(NeighborsOf, DefendTheirAddressesOnceInTenSeconds) {
  const Family& family = GetParam();
  for (const char* ours : {family.edge, family.snat, family.vip}) {
    const Bytes defence = claim_of(family, ours, kEdgeMac);  // what an announcement of ours looks like
    gateway_.receive(kEdge, claim_of(family, ours, kStrangerMac));
    EXPECT_EQ(gateway_.sent(kEdge), Frames{defence}) << ours;
    for (unsigned i = 0; i < 5; ++i) {
      gateway_.advance_ms(1'900);
      gateway_.receive(kEdge, claim_of(family, ours, kStrangerMac));
      EXPECT_TRUE(gateway_.sent(kEdge).empty()) << ours;
    }
    gateway_.advance_ms(600);
    gateway_.receive(kEdge, claim_of(family, ours, kStrangerMac));
    EXPECT_EQ(gateway_.sent(kEdge), Frames{defence}) << ours;
    const auto notices = take_notices();
    ASSERT_EQ(notices.size(), 2u) << ours;
    EXPECT_EQ(notices[0].kind, NoticeKind::kAddressConflict);
    EXPECT_EQ(notices[0].port, kEdge);
    EXPECT_EQ(notices[0].address.to_string(), ours);
    EXPECT_EQ(notices[0].now.to_string(), kStrangerMac);
  }
  EXPECT_EQ(gateway_.notices().counted(NoticeKind::kAddressConflict, kEdge), 3u * 7);
  EXPECT_EQ(gateway_.notices().counted(NoticeKind::kAddressConflict, kCore), 0u);
}

TEST_P(NeighborsOf, TakeTheirOwnWordsForNoConflict) {
  const Family& family = GetParam();
  gateway_.receive(kEdge, claim_of(family, family.vip, kEdgeMac));
  gateway_.receive(kEdge, claim_of(family, family.vip, kCoreMac));  // both ports are on one link
  EXPECT_TRUE(gateway_.sent(kEdge).empty());
  EXPECT_TRUE(take_notices().empty());
}

TEST_P(NeighborsOf, AreDefendedByOneWorker) {
  const Family& family = GetParam();
  test::TestGateway gateway(tables(), {.rx_workers = 3});
  for (unsigned worker = 0; worker < 3; ++worker) {
    gateway.receive(kEdge, claim_of(family, family.vip, kStrangerMac), worker);
  }
  EXPECT_EQ(gateway.sent(kEdge).size(), 1u);
}

TEST(Neighbors, TellWhoeverChecksForDuplicates) {
  test::TestGateway gateway(test::make_tables({}));
  gateway.receive(kEdge,
                  solicitation(kStrangerMac, "::", group_mac_of("fd10::1"), "ff02::1:ff00:1", "fd10::1"));
  EXPECT_EQ(gateway.sent(kEdge), Frames{advertisement(kEdgeMac, "fd10::1", "33:33:00:00:00:01", "ff02::1",
                                                      "fd10::1", 0x20000000)});
}

TEST(Neighbors, IgnoreSolicitationsThatARouterPassedOn) {
  test::TestGateway gateway(test::make_tables({}));
  Bytes body = test::address_bytes("fd10::1");
  test::append(body, link_option(1, test::kRouterMac));
  gateway.receive(kEdge, ethernet({test::kRouterMac, kEdgeMac},
                                  ip("fd10::fe", "fd10::1").ttl(254).icmp(135, 0, 0).payload(body)));
  EXPECT_TRUE(gateway.sent(kEdge).empty());
}

}  // namespace
}  // namespace sluice::dataplane
