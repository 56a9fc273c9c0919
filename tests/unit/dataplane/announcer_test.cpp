#include "dataplane/announcer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/test_gateway.h"

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::kCore;
using test::kEdge;

constexpr const char* kBroadcast = "ff:ff:ff:ff:ff:ff";

Bytes announcement4(const char* mac, const char* address) {
  return test::ethernet({mac, kBroadcast}, test::arp(1, mac, address, "00:00:00:00:00:00", address), 0x0806);
}

Bytes announcement6(const char* mac, const char* address) {
  Bytes body = test::address_bytes(address);
  test::append(body, {2, 1});
  test::append(body, test::mac_bytes(mac));
  return test::ethernet({mac, "33:33:00:00:00:01"},
                        test::ip(address, "ff02::1").ttl(255).icmp(136, 0, 0x20000000).payload(body));
}

class AnnouncerTest : public testing::Test {
 protected:
  AnnouncerTest() : tables_(test::make_tables({})), gateway_(tables_), announcer_(gateway_.worker().pool) {
    const char* vips[] = {"203.0.113.10", "10.10.0.99"};
    auto list = std::make_shared<std::vector<IpAddress>>();
    for (const char* vip : vips) list->push_back(*IpAddress::parse(vip));
    tables_->vips = list;
    tables_->vips_generation = 1;
  }
  /// Frames of both ports while that much time goes by.
  void run_ms(uint32_t milliseconds) {
    for (uint32_t i = 0; i < milliseconds; ++i) {
      announcer_.tick(*tables_, now_ms_++, gateway_.worker().transmit);
      gateway_.worker().transmit.flush();
    }
    edge_ = gateway_.sent(kEdge);
    core_ = gateway_.sent(kCore);
  }

  std::shared_ptr<Tables> tables_;
  test::TestGateway gateway_;
  Announcer announcer_;
  uint32_t now_ms_ = UINT32_MAX - 1000;  // the clock wraps on the way
  std::vector<Bytes> edge_, core_;
};

TEST_F(AnnouncerTest, TellsEachLinkWhatIsHere) {
  run_ms(100);
  const auto says = [](const std::vector<Bytes>& frames, const Bytes& frame) {
    return std::count(frames.begin(), frames.end(), frame) == 1;
  };
  EXPECT_EQ(edge_.size(), 4u);
  EXPECT_TRUE(says(edge_, announcement4(test::kEdgeMac, "10.10.0.1")));
  EXPECT_TRUE(says(edge_, announcement6(test::kEdgeMac, "fd10::1")));
  EXPECT_TRUE(says(edge_, announcement4(test::kEdgeMac, "10.10.0.99"))) << "a VIP on that link";
  EXPECT_TRUE(says(edge_, announcement4(test::kEdgeMac, "203.0.113.10"))) << "a VIP of no link: on every one";
  EXPECT_EQ(core_.size(), 5u);
  EXPECT_TRUE(says(core_, announcement4(test::kCoreMac, "10.20.0.2"))) << "SNAT";
  EXPECT_TRUE(says(core_, announcement6(test::kCoreMac, "fd20::2")));
  EXPECT_TRUE(says(core_, announcement4(test::kCoreMac, "203.0.113.10")));
}

TEST_F(AnnouncerTest, SpeaksTwiceAndThenAgainForNewAddresses) {
  run_ms(10'000);
  EXPECT_EQ(edge_.size(), 2 * 4u);
  run_ms(10'000);
  EXPECT_TRUE(edge_.empty());
  tables_->generation = 2;
  run_ms(100);
  EXPECT_TRUE(edge_.empty()) << "nothing that is announced has changed";
  tables_->vips_generation = 2;
  run_ms(100);
  EXPECT_EQ(edge_.size(), 4u);
}

TEST_F(AnnouncerTest, SendsOneFrameAMillisecond) {
  for (unsigned i = 0; i < 5; ++i) {
    run_ms(1);
    EXPECT_LE(edge_.size() + core_.size(), 1u);
  }
}

}  // namespace
}  // namespace sluice::dataplane
