// What a querier hears of us: frames into a gateway without threads, reports out.
#include "dataplane/neighbor/mld_reporter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "dataplane/packet/ndp.h"
#include "tests/support/test_gateway.h"

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::kCore;
using test::kEdge;
using test::kEdgeMac;

constexpr uint8_t kModeIsExclude = 2, kChangeToInclude = 3, kChangeToExclude = 4;
constexpr uint32_t kAtEdge = 1 << kEdge, kAtCore = 1 << kCore;
constexpr const char* kQuerierMac = "02:00:00:00:00:99";

IpAddress group(unsigned number) {
  std::array<uint8_t, 16> bytes{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  bytes[13] = static_cast<uint8_t>(number >> 16);
  bytes[14] = static_cast<uint8_t>(number >> 8);
  bytes[15] = static_cast<uint8_t>(number);
  return IpAddress::v6(bytes.data());
}

using Record = std::pair<uint8_t, std::string>;

/// The records of a frame, or of an MLDv1 message its type and group. Untagged frames.
std::vector<Record> records_of(const Bytes& frame) {
  const auto address_at = [&](size_t at) { return IpAddress::v6(&frame[at]).to_string(); };
  constexpr size_t kIcmp = 14 + 48;
  if (frame[kIcmp] != 143) return {{frame[kIcmp], address_at(kIcmp + 8)}};
  std::vector<Record> records;
  const size_t count = frame[kIcmp + 6] * 256u + frame[kIcmp + 7];
  EXPECT_EQ(frame.size(), kIcmp + 8 + 20 * count);
  for (size_t i = 0; i < count; ++i) {
    records.emplace_back(frame[kIcmp + 8 + 20 * i], address_at(kIcmp + 8 + 20 * i + 4));
  }
  return records;
}

class MldReporterTest : public testing::Test {
 protected:
  MldReporterTest() : tables_(test::make_tables({})), gateway_(tables_) {
    publish({{group(0x10), 1, kAtEdge}, {group(0x11), 1, kAtEdge | kAtCore}});
    run_ms(5'000);
  }

  void publish(std::vector<Membership> memberships, uint64_t generation = 1) {
    std::sort(memberships.begin(), memberships.end(),
              [](const auto& a, const auto& b) { return a.group < b.group; });
    tables_->memberships = std::make_shared<const std::vector<Membership>>(std::move(memberships));
    tables_->generation = generation;
  }
  /// Lets that much time go by; edge_ and core_ are what was sent meanwhile.
  void run_ms(uint32_t milliseconds) {
    edge_.clear();
    core_.clear();
    for (uint32_t i = 0; i < milliseconds; ++i) {
      gateway_.advance_ms(1);
      gateway_.poll();
      Worker& worker = gateway_.worker();
      worker.mld.tick(*tables_, worker.now_ms, worker.transmit);
      worker.transmit.flush();
      for (const Bytes& frame : gateway_.sent(kEdge)) edge_.push_back(frame);
      for (const Bytes& frame : gateway_.sent(kCore)) core_.push_back(frame);
    }
  }
  void query(const std::string& about, uint16_t delay_ms, bool is_v1 = false) {
    Bytes body = about.empty() ? Bytes(16) : test::address_bytes(about);
    if (!is_v1) test::append(body, {2, 125, 0, 0});
    const std::string to = about.empty() ? "ff02::1" : about;
    const Bytes mac_group = test::address_bytes(to);
    char to_mac[18];
    std::snprintf(to_mac, sizeof to_mac, "33:33:%02x:%02x:%02x:%02x", mac_group[12], mac_group[13],
                  mac_group[14], mac_group[15]);
    const uint32_t rest = uint32_t{delay_ms} << 16;
    gateway_.put(kEdge, test::ethernet({kQuerierMac, to_mac}, test::ip("fe80::99", to)
                                                                  .ttl(1)
                                                                  .extension(0, {0, 0, 5, 2, 0, 0, 1, 0})
                                                                  .icmp(130, 0, rest)
                                                                  .payload(body)));
  }
  static std::vector<Record> all_records(const std::vector<Bytes>& frames) {
    std::vector<Record> all;
    for (const Bytes& frame : frames) {
      for (auto& record : records_of(frame)) all.push_back(std::move(record));
    }
    return all;
  }

  std::shared_ptr<Tables> tables_;
  test::TestGateway gateway_;
  std::vector<Bytes> edge_, core_;
};

const Record kTen = {kModeIsExclude, "ff02::1:ff00:10"}, kEleven = {kModeIsExclude, "ff02::1:ff00:11"};

TEST_F(MldReporterTest, TellsWhatItListensToTwice) {
  publish({{group(0x10), 1, kAtEdge}, {group(0x11), 1, kAtEdge | kAtCore}, {group(0x12), 2, kAtCore}}, 2);
  run_ms(1);
  EXPECT_TRUE(edge_.empty());
  ASSERT_EQ(core_.size(), 1u);
  EXPECT_EQ(all_records(core_), (std::vector<Record>{{kChangeToExclude, "ff02::1:ff00:12"}}));
  const Bytes& frame = core_[0];
  EXPECT_TRUE(std::equal(frame.begin(), frame.begin() + 6, test::mac_bytes("33:33:00:00:00:16").begin()));
  EXPECT_EQ(IpAddress::v6(&frame[14 + 8]), tables_->ports[kCore].link_local);
  EXPECT_EQ(frame[14 + 7], 1) << "hop limit";
  run_ms(1'001);
  EXPECT_EQ(core_, std::vector<Bytes>{frame}) << "once more within a second";
  run_ms(5'000);
  EXPECT_TRUE(core_.empty() && edge_.empty());
}

TEST_F(MldReporterTest, TellsWhatItLeaves) {
  publish({{group(0x10), 2, kAtEdge, true}, {group(0x11), 1, kAtEdge | kAtCore}}, 2);
  run_ms(5'000);
  const Record left = {kChangeToInclude, "ff02::1:ff00:10"};
  EXPECT_EQ(all_records(edge_), (std::vector<Record>{left, left}));
  query("", 10);
  run_ms(11);
  EXPECT_EQ(all_records(edge_), std::vector<Record>{kEleven});
}

TEST_F(MldReporterTest, ComesToTheEndWhateverChanges) {
  std::vector<Membership> all;
  for (unsigned i = 0; i < 5'000; ++i) all.push_back({group(0x1000 + i), 2, kAtEdge});
  std::set<std::string> told;
  for (uint64_t generation = 2; generation < 40; ++generation) {
    all.push_back({group(0x10000 + static_cast<unsigned>(generation)), generation, kAtEdge});
    publish(all, generation);
    run_ms(10);
    EXPECT_LE(edge_.size(), 10u) << "a frame a millisecond";
    for (const Bytes& frame : edge_) {
      EXPECT_LE(frame.size(), 14 + 1500u);
      for (const auto& [type, name] : records_of(frame)) told.insert(name);
    }
  }
  run_ms(200);
  for (const auto& [type, name] : all_records(edge_)) told.insert(name);
  EXPECT_EQ(told.size(), all.size());
}

TEST_F(MldReporterTest, AnswersAGeneralQueryWithinItsDelay) {
  std::set<size_t> moments;
  for (unsigned i = 0; i < 20; ++i) {
    query("", 500);
    size_t moment = 0;
    for (edge_.clear(); edge_.empty() && moment <= 500; ++moment) run_ms(1);
    ASSERT_LE(moment, 501u);
    moments.insert(moment);
    EXPECT_EQ(all_records(edge_), (std::vector<Record>{kTen, kEleven}));
    run_ms(1'000);
    EXPECT_TRUE(edge_.empty() && core_.empty());
  }
  EXPECT_GT(moments.size(), 10u) << "at random";
}

TEST_F(MldReporterTest, AnswersAQueryForAGroupOfOurs) {
  query("ff02::1:ff00:10", 100);
  run_ms(101);
  EXPECT_EQ(all_records(edge_), std::vector<Record>{kTen});
  query("ff02::1:ff00:99", 100);
  run_ms(101);
  EXPECT_TRUE(edge_.empty());
}

TEST_F(MldReporterTest, AnswersAFloodOfQueriesOnceInATenthOfASecond) {
  for (unsigned i = 0; i < 1'000; ++i) {
    query("", 1);
    query("ff02::1:ff00:10", 1);
    gateway_.settle();
  }
  run_ms(1'000);
  EXPECT_LE(edge_.size(), 3u);
  size_t frames = 0;
  for (unsigned i = 0; i < 1'000; ++i) {
    query("", 1);
    run_ms(1);
    frames += edge_.size();
  }
  EXPECT_LE(frames, 11u);
  EXPECT_GE(frames, 9u);
  EXPECT_EQ(gateway_.buffers_in_use(), 0u);
}

TEST_F(MldReporterTest, SpeaksTheOldVersionToAnOldQuerier) {
  constexpr uint8_t kV1Report = 131, kV1Done = 132;
  query("", 10, true);
  run_ms(20);
  EXPECT_EQ(all_records(edge_),
            (std::vector<Record>{{kV1Report, "ff02::1:ff00:10"}, {kV1Report, "ff02::1:ff00:11"}}));
  EXPECT_TRUE(
      std::equal(edge_[0].begin(), edge_[0].begin() + 6, test::mac_bytes("33:33:ff:00:00:10").begin()))
      << "to the group itself";
  publish({{group(0x10), 2, kAtEdge, true}, {group(0x11), 1, kAtEdge | kAtCore}}, 2);
  run_ms(5'000);
  const Record done = {kV1Done, "ff02::1:ff00:10"};
  EXPECT_EQ(all_records(edge_), (std::vector<Record>{done, done}));
  run_ms(256'000);
  query("", 10);
  run_ms(20);
  EXPECT_EQ(all_records(edge_), std::vector<Record>{kEleven}) << "no old querier for 260 s";
}

}  // namespace
}  // namespace sluice::dataplane
