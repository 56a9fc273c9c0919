#include "ledger/source_rate.h"

#include <gtest/gtest.h>

namespace sluice::ledger {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

IpAddress source(const char* text) {
  return *IpAddress::parse(text);
}

TEST(SourceRate, AdmitsTheBurstAndThenTheRate) {
  SourceRate rate(10, 5, 64, {1, 2});
  const IpAddress one = source("192.0.2.1");
  uint64_t now = 100 * kSecond;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(rate.admit(one, now)) << i;
  EXPECT_FALSE(rate.admit(one, now));
  now += kSecond / 10;
  EXPECT_TRUE(rate.admit(one, now));
  EXPECT_FALSE(rate.admit(one, now));
  int admitted = 0;
  for (int i = 0; i < 1000; ++i, now += kSecond / 100) admitted += rate.admit(one, now) ? 1 : 0;
  EXPECT_NEAR(admitted, 100, 1);
  now += 100 * kSecond;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(rate.admit(one, now)) << i;
  EXPECT_FALSE(rate.admit(one, now));
}

TEST(SourceRate, TellsSourcesApart) {
  SourceRate rate(1, 1, 64, {1, 2});
  EXPECT_TRUE(rate.admit(source("192.0.2.1"), kSecond));
  EXPECT_FALSE(rate.admit(source("192.0.2.1"), kSecond));
  EXPECT_TRUE(rate.admit(source("2001:db8::1"), kSecond));
  EXPECT_TRUE(rate.admit(source("192.0.2.2"), kSecond));
}

TEST(SourceRate, TakesAHostsWholeNetworkForOneSource) {
  SourceRate rate(1, 1, 64, {1, 2});
  EXPECT_TRUE(rate.admit(source("2001:db8:0:1::1"), kSecond));
  EXPECT_FALSE(rate.admit(source("2001:db8:0:1:ffff::2"), kSecond)) << "/64";
  EXPECT_TRUE(rate.admit(source("2001:db8:0:2::1"), kSecond));
  SourceRate wider(1, 1, 64, {1, 2}, {.v4 = 24, .v6 = 48});
  EXPECT_TRUE(wider.admit(source("192.0.2.1"), kSecond));
  EXPECT_FALSE(wider.admit(source("192.0.2.255"), kSecond));
  EXPECT_TRUE(wider.admit(source("192.0.3.1"), kSecond));
  EXPECT_TRUE(wider.admit(source("2001:db8:0:1::1"), kSecond));
  EXPECT_FALSE(wider.admit(source("2001:db8:0:2::1"), kSecond));
}

TEST(SourceRate, ForgetsTheQuietestWhenThereAreTooMany) {
  SourceRate rate(1, 100, 8, {1, 2});
  const IpAddress busy = source("192.0.2.200");
  for (int i = 0; i < 50; ++i) rate.admit(busy, kSecond);
  for (int i = 1; i <= 30; ++i) rate.admit(source(("192.0.2." + std::to_string(i)).c_str()), kSecond);
  int left = 0;
  while (rate.admit(busy, kSecond)) ++left;
  EXPECT_EQ(left, 50) << "the busy one kept its bucket";
}

TEST(SourceRate, TellsWhenToTryAgain) {
  EXPECT_EQ(SourceRate(100000, 1, 8, {}).retry_seconds(), 1);
  EXPECT_EQ(SourceRate(1, 1, 8, {}).retry_seconds(), 1);
}

}  // namespace
}  // namespace sluice::ledger
