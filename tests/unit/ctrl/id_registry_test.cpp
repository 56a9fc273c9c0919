#include "ctrl/resolve/id_registry.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace sluice::ctrl {
namespace {

BackendKey key(const std::string& pool, uint16_t port) {
  return {pool, *IpAddress::parse("198.51.100.1"), port};
}

const auto kNever = [](uint32_t) { return false; };
const auto kAlways = [](uint32_t) { return true; };

TEST(IdRegistry, KeepsTheNumberOfAKey) {
  IdRegistry ids;
  const auto a = ids.backend(key("a", 1)), b = ids.backend(key("a", 2));
  EXPECT_NE(a, b);
  EXPECT_EQ(ids.backend(key("a", 1)), a);
  EXPECT_EQ(*ids.backend_at(*b), key("a", 2));
  EXPECT_EQ(ids.backend_limit(), 2u);
}

TEST(IdRegistry, GivesARetiredNumberAgainOnlyWhenItIsIdle) {
  IdRegistry ids;
  const auto old = ids.backend(key("a", 1));
  ids.commit();
  ids.retire_backend(*old);
  EXPECT_EQ(ids.commit().backends, std::vector<uint32_t>{*old});
  EXPECT_EQ(ids.backend_at(*old), nullptr);
  const auto second = ids.backend(key("a", 1));
  EXPECT_NE(second, old);  // the same key again is another backend to flows
  ids.commit();
  ids.collect(kNever, kNever);
  EXPECT_TRUE(ids.has_retired());
  EXPECT_NE(ids.backend(key("a", 3)), old);
  ids.commit();
  EXPECT_EQ(ids.retired_backend(*old), key("a", 1));
  ids.collect(kAlways, kAlways);
  EXPECT_FALSE(ids.has_retired());
  EXPECT_EQ(ids.backend(key("a", 4)), old);
}

TEST(IdRegistry, TakesBackWhatWasNotCommitted) {
  IdRegistry ids;
  const auto kept = ids.backend(key("a", 1));
  const auto table = ids.pool_table("a", IpProtocol::kTcp);
  ids.commit();
  ids.retire_backend(*kept);
  ids.backend(key("a", 1));
  ids.backend(key("a", 2));
  ids.release_pool_table(*table);
  ids.discard();
  EXPECT_EQ(ids.find_backend(key("a", 1)), kept);
  EXPECT_EQ(ids.find_backend(key("a", 2)), std::nullopt);
  EXPECT_EQ(ids.find_pool_table("a", IpProtocol::kTcp), table);
  EXPECT_FALSE(ids.has_retired());
}

TEST(NumberPool, EndsAtItsCapacity) {
  NumberPool<int> numbers(2);
  EXPECT_TRUE(numbers.obtain(10));
  EXPECT_TRUE(numbers.obtain(11));
  EXPECT_FALSE(numbers.obtain(12));
  numbers.discard();
  EXPECT_TRUE(numbers.obtain(12));
}

/// Against a model that copies itself at each commit.
TEST(NumberPool, BehavesAsASnapshotUnderAnyOrder) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    NumberPool<int> numbers(16);
    std::map<int, uint32_t> live, committed;
    std::set<uint32_t> retired;
    for (int step = 0; step < 60; ++step) {
      const int wanted = static_cast<int>(random() % 10);
      switch (random() % 5) {
        case 0:
        case 1:
          if (const auto number = numbers.obtain(wanted)) {
            EXPECT_FALSE(retired.contains(*number));
            for (const auto& [other, taken] : live) EXPECT_TRUE(other == wanted || taken != *number);
            EXPECT_TRUE(!live.contains(wanted) || live[wanted] == *number);
            live[wanted] = *number;
          }
          break;
        case 2:
          if (live.contains(wanted)) {
            numbers.retire(live[wanted]);
            live.erase(wanted);
          }
          break;
        case 3:
          for (const uint32_t number : numbers.commit()) retired.insert(number);
          committed = live;
          break;
        default:
          numbers.discard();
          live = committed;
      }
      for (int k = 0; k < 10; ++k) {
        EXPECT_EQ(numbers.find(k), live.contains(k) ? std::optional(live[k]) : std::nullopt);
      }
      if (random() % 8 == 0) {
        numbers.discard();
        live = committed;
        numbers.collect(kAlways);
        retired.clear();
      }
    }
  }
}

}  // namespace
}  // namespace sluice::ctrl
