#include "ctrl/intent/config_diff.h"

#include <gtest/gtest.h>

#include "ctrl/intent/config_schema.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

json filled(const json& config) {
  return to_json(*parse_config(config));
}

TEST(DiffConfigurations, NamesWhatDiffers) {
  const json before = test::sample_config();
  json after = before;
  after["pools"][0]["backends"][1]["weight"] = 9;
  after["pools"][1]["backends"].erase(1);
  std::swap(after["pools"][0]["backends"][0], after["pools"][0]["backends"][2]);
  after["services"].erase(1);
  after["ports"][1]["mtu"] = 9000;
  const auto entries = diff_configurations(filled(before), filled(after));
  std::vector<std::string> pointers;
  for (const auto& entry : entries) pointers.push_back(entry.pointer);
  EXPECT_EQ(pointers, (std::vector<std::string>{"/pools/mixed/backends/[2001:db8:0:2::11]:0",
                                                "/pools/web/backends/198.51.100.12:8080/weight",
                                                "/ports/1/mtu", "/services/tunnel"}));
  EXPECT_TRUE(entries[0].after.is_null());
  EXPECT_EQ(entries[1].before, 2);
  EXPECT_EQ(entries[1].after, 9);
  EXPECT_FALSE(entries[1].needs_restart);
  EXPECT_TRUE(entries[2].needs_restart);
}

TEST(DiffConfigurations, FindsNothingBetweenEquals) {
  EXPECT_TRUE(diff_configurations(filled(test::sample_config()), filled(test::sample_config())).empty());
}

TEST(DiffConfigurations, EscapesNames) {
  json after = test::sample_config();
  after["pools"].push_back({{"name", "a/b"}, {"backends", json::array()}});
  const auto entries = diff_configurations(filled(test::sample_config()), filled(after));
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].pointer, "/pools/a~1b");
  EXPECT_TRUE(entries[0].before.is_null());
}

}  // namespace
}  // namespace sluice::ctrl
