#include "ctrl/intent/config_file.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

TEST(ConfigFile, DescribesFaultsInTheOrderOfTheFile) {
  const auto file = parse_config_text("x.yaml", "ports:\n  - name: a\n    mtu: 5\nroutes: []\n");
  ASSERT_TRUE(file);
  const auto lines =
      file->describe({{"/routes", "second"}, {"/ports/0/device/x", "absent"}, {"/ports/0/mtu", "first"}});
  EXPECT_EQ(lines,
            (std::vector<std::string>{"x.yaml:2:5: absent (/ports/0/device/x)",
                                      "x.yaml:3:5: first (/ports/0/mtu)", "x.yaml:4:1: second (/routes)"}));
}

TEST(ConfigFile, NamesTheRootToo) {
  const auto file = parse_config_text("x.yaml", "\n[]\n");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->describe({{"", "must be a mapping"}}),
            (std::vector<std::string>{"x.yaml:2:1: must be a mapping (the whole document)"}));
}

TEST(ConfigFile, SaysDuplicateKeysWithAllElse) {
  const std::string text = "log: { level: loud }\nhttp: {}\nlog: { format: text }\nports: []\n";
  const auto file = parse_config_text("x.yaml", text);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->describe({{"/ports", "too few"}, {"/log/level", "too loud"}}),
            (std::vector<std::string>{"x.yaml:1:8: too loud (/log/level)",
                                      "x.yaml:3:1: this key is there twice (/log)",
                                      "x.yaml:4:1: too few (/ports)"}));
}

TEST(ConfigFile, SaysWhyItCannotBeRead) {
  const auto missing = read_config_file("/nonexistent/sluice.yaml");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "/nonexistent/sluice.yaml: No such file or directory");
  const auto directory = read_config_file("/");
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().message.substr(0, 3), "/: ");
  const auto broken = parse_config_text("x.yaml", "a: [\n");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().message.substr(0, 7), "x.yaml:");
  const auto large = parse_config_text("x.yaml", std::string((size_t{64} << 20) + 1, ' '));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().message, "x.yaml: is larger than 64 MiB");
}

}  // namespace
}  // namespace sluice::ctrl
