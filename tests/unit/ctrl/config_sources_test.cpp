// `sources`, and `discover` of pools.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/source_keys.h"
#include "ctrl/source/source_types.h"
#include "tests/unit/ctrl/config_faults.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

json with_sources(const json& sources, const json& discover) {
  json config = test::sample_config();
  config["sources"] = sources;
  config["pools"][0]["discover"] = discover;
  config["pools"][0].erase("backends");
  return config;
}

using Pointers = std::vector<std::string>;

/// One of each type, with all of its keys: what interface.md, section 8, shows.
const json kEach = json::array(
    {{{{"name", "dns"},
       {"type", "dns"},
       {"servers", {"127.0.0.1:5300"}},
       {"min_ttl", "1s"},
       {"max_ttl", "300s"},
       {"tls", {{"ca", "file:/ca"}, {"server_name", "dns.example.test"}}}},
      {{"source", "dns"}, {"name", "_http._tcp.web.example.test"}, {"record", "srv"}}},
     {{{"name", "dns"}, {"type", "dns"}}, {{"source", "dns"}, {"name", "web.example.test"}, {"port", 8080}}},
     {{{"name", "etcd"},
       {"type", "etcd"},
       {"endpoints", {"http://127.0.0.1:2379"}},
       {"username", "u"},
       {"password", "file:/etc/sluice/etcd.pw"},
       {"tls",
        {{"ca", "file:/ca"}, {"certificate", "/cert"}, {"key", "file:/key"}, {"server_name", "etcd"}}}},
      {{"source", "etcd"}, {"prefix", "services/web/"}, {"guard", 0.5}, {"withdraw", "remove"}}},
     {{{"name", "zk"},
       {"type", "zookeeper"},
       {"endpoints", {"127.0.0.1:2181"}},
       {"session_timeout", "10s"},
       {"username", "u"},
       {"password", "file:/etc/sluice/zk.pw"}},
      {{"source", "zk"}, {"path", "/services/web"}}},
     {{{"name", "consul"},
       {"type", "consul"},
       {"endpoints", {"http://127.0.0.1:8500"}},
       {"token", "file:/token"},
       {"datacenter", "dc1"}},
      {{"source", "consul"}, {"service", "web"}, {"tag", "v2"}}},
     {{{"name", "k8s"},
       {"type", "kubernetes"},
       {"endpoints", {"https://10.0.0.1:6443"}},
       {"token", "file:/token"},
       {"ca", "file:/ca"}},
      {{"source", "k8s"}, {"namespace", "prod"}, {"service", "web"}, {"port", "http"}}},
     {{{"name", "istio"},
       {"type", "xds"},
       {"endpoints", {"127.0.0.1:15010"}},
       {"node", {{"id", "edge-1"}, {"cluster", "edge"}}},
       {"delta", true}},
      {{"source", "istio"}, {"cluster", "web"}}},
     {{{"name", "files"},
       {"type", "file"},
       {"on_outage", "hold"},
       {"hold_for", "600s"},
       {"on_empty", "hold"},
       {"resync", "30s"}},
      {{"source", "files"}, {"path", "/etc/sluice/targets/web.json"}}},
     {{{"name", "mesh"}, {"type", "registry"}}, {{"source", "mesh"}, {"service", "web"}}}});

TEST(ConfigSources, ReadsEveryTypeAndWritesItBack) {
  for (const json& each : kEach) {
    const json config = with_sources(json::array({each[0]}), each[1]);
    const auto model = parse_config(config);
    ASSERT_TRUE(model) << each << (model ? "" : model.error().faults.at(0).message);
    const json written = to_json(*model);
    for (const auto& [key, value] : each[0].items()) {
      if (key != "tls") {  // whose files are written as references
        EXPECT_EQ(written["sources"][0].at(key), value) << key;
      }
    }
    const auto again = parse_config(written);
    ASSERT_TRUE(again) << each << again.error().faults.at(0).pointer << again.error().faults.at(0).message;
    EXPECT_EQ(again->sources, model->sources) << each;
    EXPECT_EQ(*again->pools.at("web"), *model->pools.at("web")) << each;
  }
}

TEST(ConfigSources, RefusesKeysOfOtherTypes) {
  for (const json& each : kEach) {
    for (const json& other : kEach) {
      if (other[0]["type"] == each[0]["type"]) continue;
      json source = each[0], discover = each[1];
      Pointers expected;
      const SourceKeys& keys = *keys_of(each[0]["type"].get<std::string>());
      for (const auto& [key, value] : other[1].items()) {
        if (SourceKeys::has(keys.discover, key) || key == "source" || key == "guard" || key == "withdraw" ||
            discover.contains(key)) {
          continue;
        }
        discover[key] = value;
        expected.push_back("/pools/0/discover/" + key);
      }
      std::ranges::sort(expected);
      EXPECT_EQ(fault_pointers(with_sources(json::array({source}), discover)), expected) << each << other;
    }
  }
}

TEST(ConfigSources, NamesWhatIsMissing) {
  EXPECT_EQ(fault_pointers(with_sources({{{"name", "e"}, {"type", "etcd"}}}, {{"source", "e"}})),
            (Pointers{"/pools/0/discover/prefix", "/sources/0/endpoints"}));
  EXPECT_EQ(fault_pointers(with_sources({{{"name", "d"}, {"type", "dns"}, {"tls", json::object()}}},
                                        {{"source", "d"}, {"name", "web.test"}, {"port", 80}})),
            Pointers{"/sources/0/tls"})
      << "the system's servers are asked without TLS";
  EXPECT_EQ(fault_pointers(
                with_sources({{{"name", "d"}, {"type", "dns"}}}, {{"source", "d"}, {"name", "web.test"}})),
            Pointers{"/pools/0/discover/port"});
  json neither = test::sample_config();
  neither["pools"][0].erase("backends");
  EXPECT_EQ(fault_pointers(neither), Pointers{"/pools/0/backends"});
}

TEST(ConfigSources, RefusesWhatDoesNotFit) {
  const json file = {{"name", "files"}, {"type", "file"}};
  const json discover = {{"source", "files"}, {"path", "/targets.json"}};
  EXPECT_EQ(fault_pointers(with_sources({file, file}, discover)), Pointers{"/sources/1/name"});
  EXPECT_EQ(fault_pointers(
                with_sources({{{"name", "file"}, {"type", "file"}}}, {{"source", "file"}, {"path", "/t"}})),
            Pointers{"/sources/0/name"});
  EXPECT_EQ(fault_pointers(with_sources(json::array({file}), {{"source", "nowhere"}, {"path", "/t"}})),
            Pointers{"/pools/0/discover/source"});
  EXPECT_EQ(
      fault_pointers(with_sources(json::array({file}), {{"source", "files"}, {"path", "targets.json"}})),
      Pointers{"/pools/0/discover/path"});
  json other = discover;
  other["guard"] = 1.5;
  EXPECT_EQ(fault_pointers(with_sources(json::array({file}), other)), Pointers{"/pools/0/discover/guard"});
  other = file;
  other["resolver"] = "files";
  EXPECT_EQ(fault_pointers(with_sources(json::array({other}), discover)), Pointers{"/sources/0/resolver"});
  other = file;
  other["resync"] = "10ms";
  EXPECT_EQ(fault_pointers(with_sources(json::array({other}), discover)), Pointers{"/sources/0/resync"});
  EXPECT_EQ(
      fault_pointers(with_sources({{{"name", "d"}, {"type", "dns"}, {"min_ttl", "10s"}, {"max_ttl", "1s"}}},
                                  {{"source", "d"}, {"name", "web.test"}, {"port", "http"}})),
      (Pointers{"/pools/0/discover/port", "/sources/0/max_ttl"}));
}

TEST(ConfigSources, ASecretIsNoPartOfAConfiguration) {
  const json config = with_sources({{{"name", "c"},
                                     {"type", "consul"},
                                     {"endpoints", {"http://127.0.0.1:8500"}},
                                     {"token", "3e2b8c5e-secret"}}},
                                   {{"source", "c"}, {"service", "web"}});
  const auto parsed = parse_config(config);
  ASSERT_FALSE(parsed);
  ASSERT_EQ(parsed.error().faults.size(), 1u);
  EXPECT_EQ(parsed.error().faults[0].pointer, "/sources/0/token");
  EXPECT_EQ(parsed.error().faults[0].message.find("secret-"), std::string::npos);
  EXPECT_EQ(parsed.error().faults[0].message.find("3e2b8c5e"), std::string::npos);
}

TEST(ConfigSources, TypesHaveKeysAndAnEntryInTheSchema) {
  const json schema = json::parse(config_schema());
  const auto words = schema["properties"]["sources"]["items"]["properties"]["type"]["enum"];
  std::vector<std::string> with_keys;
  for (const SourceKeys& keys : source_keys()) with_keys.emplace_back(keys.type);
  EXPECT_EQ(words.get<std::vector<std::string>>(), with_keys);
  for (const SourceType& type : source_types()) {
    EXPECT_NE(std::ranges::find(with_keys, type.name), with_keys.end()) << type.name;
  }
  EXPECT_TRUE(std::ranges::is_sorted(source_types(), {}, &SourceType::name));
}

TEST(ServicesFrom, IsASourceThatBringsServices) {
  json config = test::sample_config();
  config["services_from"] = "mesh";
  EXPECT_EQ(fault_pointers(config), Pointers{"/services_from"});
  config["sources"] = {{{"name", "mesh"}, {"type", "file"}}};
  EXPECT_EQ(fault_pointers(config), Pointers{"/services_from"});
  config["sources"] = {{{"name", "mesh"}, {"type", "xds"}, {"endpoints", {"192.0.2.9:15010"}}}};
  const auto parsed = parse_config(config);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->services_from, "mesh");
  EXPECT_EQ(to_json(*parsed)["services_from"], "mesh");
}

}  // namespace
}  // namespace sluice::ctrl
