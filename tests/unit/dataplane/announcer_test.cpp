#include "dataplane/neighbor/announcer.h"

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
    constexpr uint32_t kAtEdge = 1 << kEdge, kAtCore = 1 << kCore;
    add(1, "10.10.0.1", kAtEdge);
    add(1, "10.10.0.99", kAtEdge);
    add(1, "10.20.0.2", kAtCore);
    add(1, "203.0.113.10", kAtEdge | kAtCore);
    add(1, "fd20::2", kAtCore);
  }
  /// As a new generation would have it.
  void add(uint64_t since, const std::string& address, uint32_t ports) {
    auto list = tables_->announcements ? *tables_->announcements : std::vector<Announcement>();
    list.push_back({since, *IpAddress::parse(address), ports});
    tables_->announcements = std::make_shared<const std::vector<Announcement>>(std::move(list));
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

size_t count(const std::vector<Bytes>& frames, const Bytes& frame) {
  return static_cast<size_t>(std::count(frames.begin(), frames.end(), frame));
}

TEST_F(AnnouncerTest, TellsEachLinkWhatIsHere) {
  run_ms(100);
  EXPECT_EQ(edge_.size(), 3u);
  EXPECT_EQ(count(edge_, announcement4(test::kEdgeMac, "10.10.0.1")), 1u);
  EXPECT_EQ(count(edge_, announcement4(test::kEdgeMac, "10.10.0.99")), 1u);
  EXPECT_EQ(count(edge_, announcement4(test::kEdgeMac, "203.0.113.10")), 1u);
  EXPECT_EQ(core_.size(), 3u);
  EXPECT_EQ(count(core_, announcement4(test::kCoreMac, "10.20.0.2")), 1u);
  EXPECT_EQ(count(core_, announcement6(test::kCoreMac, "fd20::2")), 1u);
  EXPECT_EQ(count(core_, announcement4(test::kCoreMac, "203.0.113.10")), 1u);
}

TEST_F(AnnouncerTest, SpeaksTwiceAndThenOnlyForNewAddresses) {
  run_ms(10'000);
  EXPECT_EQ(edge_.size(), 2 * 3u);
  EXPECT_EQ(core_.size(), 2 * 3u);
  run_ms(10'000);
  EXPECT_TRUE(edge_.empty());
  tables_->generation = 2;
  run_ms(100);
  EXPECT_TRUE(edge_.empty()) << "nothing that is announced has changed";
  add(3, "10.10.0.50", 1 << kEdge);
  run_ms(100);
  EXPECT_EQ(edge_, std::vector<Bytes>{announcement4(test::kEdgeMac, "10.10.0.50")});
  run_ms(5'000);
  EXPECT_EQ(edge_, std::vector<Bytes>{announcement4(test::kEdgeMac, "10.10.0.50")});
}

TEST_F(AnnouncerTest, ComesToTheEndWhateverChanges) {
  const auto address = [](unsigned net, unsigned host) {
    return "10." + std::to_string(net) + "." + std::to_string(host / 250) + "." +
           std::to_string(host % 250 + 1);
  };
  std::vector<Announcement> list;
  for (unsigned host = 0; host < 2000; ++host) {
    list.push_back({1, *IpAddress::parse(address(30, host)), 1 << kEdge});
  }
  tables_->announcements = std::make_shared<const std::vector<Announcement>>(std::move(list));
  run_ms(1);
  std::vector<Bytes> sent = edge_;
  uint64_t generation = 1;
  for (unsigned change = 0; change < 100; ++change) {  // ten changes a second
    ++generation;
    const std::string fresh = address(40, change);
    add(generation, fresh, 1 << kEdge);
    run_ms(5);
    EXPECT_EQ(count(edge_, announcement4(test::kEdgeMac, fresh.c_str())), 1u) << "what is new comes first";
    sent.insert(sent.end(), edge_.begin(), edge_.end());
    run_ms(95);
    sent.insert(sent.end(), edge_.begin(), edge_.end());
  }
  run_ms(900);
  sent.insert(sent.end(), edge_.begin(), edge_.end());
  for (unsigned host = 0; host < 2000; ++host) {
    const std::string old = address(30, host);
    ASSERT_EQ(count(sent, announcement4(test::kEdgeMac, old.c_str())), 2u) << old;
  }
}

TEST_F(AnnouncerTest, SendsOneFrameAMillisecond) {
  for (unsigned i = 0; i < 5; ++i) {
    run_ms(1);
    EXPECT_LE(edge_.size() + core_.size(), 1u);
  }
}

}  // namespace
}  // namespace sluice::dataplane
