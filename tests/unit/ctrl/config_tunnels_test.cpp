// `tunnels`: what is refused, and that what is read is what is written.
#include <gtest/gtest.h>

#include <algorithm>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/model_changes.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using Pointers = std::vector<std::string>;

json keys(unsigned spi_in, const std::string& name) {
  return {{"spi_in", spi_in},
          {"spi_out", 5000},
          {"algorithm", "aes-128-gcm"},
          {"in", "file:/keys/" + name + ".in"},
          {"out", "file:/keys/" + name + ".out"}};
}

/// Two tunnels that fit each other.
json sample() {
  json config = test::sample_config();
  config["tunnels"] = json::array({{{"name", "a"},
                                    {"local", "192.0.2.1"},
                                    {"remote", "192.0.2.77"},
                                    {"networks", {"10.20.0.0/16", "fd20::/32"}},
                                    {"keys", keys(4096, "a")}},
                                   {{"name", "b"},
                                    {"local", "2001:db8:0:2::1"},
                                    {"remote", "2001:db8:9::9"},
                                    {"networks", {"10.20.5.0/24"}},
                                    {"keys", "kernel"},
                                    {"udp", true}}});
  config["tunnel_state"] = "/var/lib/here";
  return config;
}

Pointers faults(const json& config) {
  const auto parsed = parse_config(config);
  Pointers pointers;
  if (parsed) return pointers;
  for (const Fault& fault : parsed.error().faults) pointers.push_back(fault.pointer);
  std::ranges::sort(pointers);
  return pointers;
}

/// The faults once the value at `pointer` is another.
Pointers faults_with(const char* pointer, const json& value) {
  json config = sample();
  config[json::json_pointer(pointer)] = value;
  return faults(config);
}

TEST(ConfigTunnels, AreWrittenAsTheyWereRead) {
  const auto model = parse_config(sample());
  ASSERT_TRUE(model) << model.error().faults.front().pointer << model.error().faults.front().message;
  const json written = to_json(*model);
  EXPECT_EQ(written["tunnel_state"], "/var/lib/here");
  EXPECT_EQ(written["tunnels"][0]["keys"]["replay_window"], 1024);
  EXPECT_EQ(written["tunnels"][0]["keys"]["esn"], false);
  EXPECT_EQ(written["tunnels"][0]["udp"], false);
  EXPECT_EQ(written["tunnels"][1]["keys"], "kernel");
  auto again = parse_config(written);
  ASSERT_TRUE(again);
  share_unchanged(*model, *again);
  EXPECT_EQ(again->tunnels, model->tunnels);
  EXPECT_TRUE(changed_parts(*again, *model).empty());
}

TEST(ConfigTunnels, ArePartOfWhatDiffers) {
  const auto before = parse_config(sample());
  json config = sample();
  config["tunnels"].erase(1);
  auto after = parse_config(config);
  share_unchanged(*before, *after);
  EXPECT_EQ(changed_parts(*before, *after), Pointers{"tunnels"});
}

TEST(ConfigTunnels, NestedNetworksAreNoFault) {
  EXPECT_TRUE(faults(sample()).empty());
}

TEST(ConfigTunnels, NameWhatIsWrongWithThem) {
  EXPECT_EQ(faults_with("/tunnels/1/name", "a"), Pointers{"/tunnels/1/name"});
  EXPECT_EQ(faults_with("/tunnels/0/local", "192.0.2.9"), Pointers{"/tunnels/0/local"});
  EXPECT_EQ(faults_with("/tunnels/0/remote", "198.51.100.1"), Pointers{"/tunnels/0/remote"});
  EXPECT_EQ(faults_with("/tunnels/0/remote", "2001:db8::1"), Pointers{"/tunnels/0/remote"});
  EXPECT_EQ(faults_with("/tunnels/0/remote", "224.0.0.1"), Pointers{"/tunnels/0/remote"});
  EXPECT_EQ(faults_with("/tunnels/1/networks/0", "10.20.0.0/16"), Pointers{"/tunnels/1/networks/0"});
  EXPECT_EQ(faults_with("/tunnels/1/networks/0", "10.20.0.1/16"), Pointers{"/tunnels/1/networks/0"});
  EXPECT_EQ(faults_with("/tunnels/1/networks", json::array()), Pointers{"/tunnels/1/networks"});
  EXPECT_EQ(faults_with("/tunnels/1/keys", keys(4096, "b")), Pointers{"/tunnels/1/keys/spi_in"});
  EXPECT_EQ(faults_with("/tunnels/1/keys", keys(4097, "a")), Pointers{"/tunnels/1/keys/out"});
  EXPECT_EQ(faults_with("/tunnels/0/keys/out", "file:/keys/a.in"), Pointers{"/tunnels/0/keys/out"});
  EXPECT_EQ(faults_with("/tunnels/0/keys/in", "a1a1a1a1"), Pointers{"/tunnels/0/keys/in"});
  EXPECT_EQ(faults_with("/tunnel_state", "relative"), Pointers{"/tunnel_state"});
  for (const unsigned spi : {0u, 1u, 255u}) {
    EXPECT_EQ(faults_with("/tunnels/0/keys/spi_in", spi), Pointers{"/tunnels/0/keys/spi_in"});
    EXPECT_EQ(faults_with("/tunnels/0/keys/spi_out", spi), Pointers{"/tunnels/0/keys/spi_out"});
  }
  EXPECT_EQ(faults_with("/tunnels/0/keys/algorithm", "aes-192-gcm"), Pointers{"/tunnels/0/keys/algorithm"});
  EXPECT_EQ(faults_with("/tunnels/0/keys/replay_window", 16), Pointers{"/tunnels/0/keys/replay_window"});
  EXPECT_EQ(faults_with("/tunnels/0/keys", "files"), Pointers{"/tunnels/0/keys"});
}

TEST(ConfigTunnels, LeadToNoBackendOfADirectService) {
  json config = sample();
  config["pools"][0]["backends"] = json::array({{{"address", "198.51.100.11"}}});
  config["services"][0]["forward"] = "direct";
  ASSERT_TRUE(faults(config).empty());
  config["tunnels"][0]["networks"].push_back("198.51.100.8/29");
  EXPECT_EQ(faults(config), Pointers{"/services/0/forward"});
}

}  // namespace
}  // namespace sluice::ctrl
