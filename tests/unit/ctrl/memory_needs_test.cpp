#include "ctrl/intent/memory_needs.h"

#include <gtest/gtest.h>

#include "ctrl/intent/config_schema.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

std::vector<MemoryNeed> needs_of(const json& config) {
  const auto model = parse_config(config);
  EXPECT_TRUE(model);
  return memory_needs(*model);
}

TEST(MemoryNeeds, CountFlowTablesOfEveryBalancer) {
  json config = test::sample_config();
  config["gateway"]["flow_table_entries"] = 268435456;
  const auto one = needs_of(config);
  ASSERT_EQ(one[0].pointer, "/gateway/flow_table_entries");
  EXPECT_EQ(one[0].bytes, (268435456ull + 67108864) * 64);  // entries, and as many buckets as have places
  config["gateway"]["workers"] = {0, 0, 0};
  EXPECT_EQ(needs_of(config)[0].bytes, 3 * one[0].bytes);
  config["gateway"]["lb_workers"] = {0, 0};
  EXPECT_EQ(needs_of(config)[0].bytes, 2 * one[0].bytes);
}

TEST(MemoryNeeds, CountTheTablesOfPools) {
  json config = test::sample_config();
  const uint64_t slots = 1021 + 251;  // the third pool has no backends
  EXPECT_EQ(needs_of(config)[1].pointer, "/pools");
  EXPECT_EQ(needs_of(config)[1].bytes, slots * 4);
  config["services"].push_back(
      {{"name", "dns"}, {"address", "203.0.113.12"}, {"port", 53}, {"protocol", "udp"}, {"pool", "web"}});
  EXPECT_EQ(needs_of(config)[1].bytes, (slots + 1021) * 4) << "a table for each protocol";
}

TEST(CheckMemory, NamesTheGreatestNeedAndBothSizes) {
  const std::vector<MemoryNeed> needs = {{"/small", "this", 1 << 20}, {"/great", "that", 5 << 20}};
  EXPECT_TRUE(check_memory(needs, 6 << 20));
  const auto refused = check_memory(needs, (6 << 20) - 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "not enough memory: 7 MiB are needed, 6 MiB of them for that, and 6 MiB are available");
  EXPECT_EQ(refused.error().pointer, "/great");
}

TEST(AvailableMemory, IsBelowWhatTheMachineHas) {
  EXPECT_GT(available_memory(), uint64_t{1} << 20);
  EXPECT_LT(available_memory(), uint64_t{1} << 50);
}

}  // namespace
}  // namespace sluice::ctrl
