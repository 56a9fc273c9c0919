#include "ctrl/intent/shared_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "ctrl/intent/model_changes.h"

namespace sluice::ctrl {
namespace {

using Map = SharedMap<int>;
using Twin = std::map<std::string, std::shared_ptr<const int>>;

void expect_same_entries(const Map& map, const Twin& twin) {
  ASSERT_EQ(map.size(), twin.size());
  ASSERT_EQ(map.empty(), twin.empty());
  auto entry = map.begin();
  for (const auto& [name, value] : twin) {
    ASSERT_NE(entry, map.end());
    ASSERT_EQ(entry->first, name);
    ASSERT_EQ(entry->second, value);
    ++entry;
  }
  ASSERT_EQ(entry, map.end());
}

using Differences = std::map<std::string, std::pair<const int*, const int*>>;

template <typename SomeMap>
Differences differences(const SomeMap& before, const SomeMap& after) {
  Differences all;
  for_each_difference(before, after, [&](const std::string& name, const int* old, const int* now) {
    all.emplace(name, std::pair(old, now));
  });
  return all;
}

TEST(SharedMap, IsWhatAMapIsThroughRandomChanges) {
  std::mt19937 random(7);
  Map map;
  Twin twin;
  Map map_before;
  Twin twin_before;
  for (int step = 0; step < 20'000; ++step) {
    const std::string name = std::to_string(random() % 2000);
    if (random() % 3 != 0) {
      const auto value = std::make_shared<const int>(step);
      map.set(name, value);
      twin[name] = value;
    } else {
      map.erase(name);
      twin.erase(name);
    }
    ASSERT_EQ(map.contains(name), twin.contains(name));
    ASSERT_EQ(map.find(name) == map.end(), !twin.contains(name));
    if (step % 500 != 0) continue;
    expect_same_entries(map, twin);
    expect_same_entries(map_before, twin_before);  // a copy is none the wiser
    EXPECT_EQ(differences(map_before, map), differences(twin_before, twin));
    EXPECT_EQ(map == map_before, twin == twin_before);
    map_before = map;
    twin_before = twin;
    EXPECT_EQ(map, map_before);
  }
  map.clear();
  expect_same_entries(map, {});
  EXPECT_THROW(map.at("1"), std::out_of_range);
}

TEST(SharedMap, SharesWhatDidNotChange) {
  Map map;
  for (int i = 0; i < 10'000; ++i) map.set(std::to_string(i), std::make_shared<const int>(i));
  Map other = map;
  other.set("5000", std::make_shared<const int>(0));
  size_t visited = 0, shared = 0;
  auto a = map.begin();
  for (auto b = other.begin(); b != other.end(); ++visited) {
    shared += a.begins_same_block(b);
    a.skip_block();
    b.skip_block();
  }
  EXPECT_EQ(shared, visited - 1);
  EXPECT_GT(visited, 10'000 / Map::kMostInBlock);
}

TEST(SharedMap, EqualObjectsComeToBeShared) {
  const auto model = [](int different) {
    Model model;
    for (int i = 0; i < 1000; ++i) {
      PoolModel pool;
      pool.name = "pool-" + std::to_string(i);
      pool.fail_open = i == different;
      model.pools.set(pool.name, std::make_shared<const PoolModel>(pool));
    }
    return model;
  };
  const Model before = model(-1);
  Model after = model(500);
  share_unchanged(before, after);
  EXPECT_EQ(changed_parts(before, after), std::vector<std::string>{"pool/pool-500"});
  EXPECT_TRUE(after.pools.at("pool-500")->fail_open);
  EXPECT_EQ(after.pools.at("pool-1"), before.pools.at("pool-1"));
}

}  // namespace
}  // namespace sluice::ctrl
