#include <gtest/gtest.h>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/model_changes.h"
#include "tests/unit/ctrl/config_faults.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

json with_nats(json nats) {
  json config = test::sample_config();
  config["events"] = {{"nats", std::move(nats)}};
  return config;
}

TEST(ConfigEvents, AreReadAndWritten) {
  const json nats = {{"servers", {"nats://192.0.2.1:4222", "nats.example:4222"}}, {"subject", "a.{kind}"}};
  const auto model = parse_config(with_nats(nats));
  ASSERT_TRUE(model);
  EXPECT_EQ(model->events.nats->servers.size(), 2u);
  EXPECT_EQ(model->events.nats->subject, "a.{kind}");
  EXPECT_EQ(to_json(*model)["events"]["nats"], nats);
  EXPECT_EQ(parse_config(with_nats({{"servers", {"192.0.2.1:4222"}}}))->events.nats->subject,
            "sluice.{gateway}.{kind}");
  EXPECT_FALSE(to_json(*parse_config(test::sample_config())).contains("events"));
}

TEST(ConfigEvents, AreARunTimeSetting) {
  const auto without = parse_config(test::sample_config());
  auto with = parse_config(with_nats({{"servers", {"192.0.2.1:4222"}}}));
  share_unchanged(*without, *with);
  EXPECT_EQ(changed_parts(*without, *with), std::vector<std::string>{"events"});
}

TEST(ConfigEvents, FaultsAreNamed) {
  using Pointers = std::vector<std::string>;
  for (const char* const server :
       {"http://192.0.2.1:4222", "nats://", "nats://192.0.2.1:99999", "wss://a:4222",
        "nats://user:secret@192.0.2.1:4222", "nats://192.0.2.1:4222/path"}) {
    EXPECT_EQ(fault_pointers(with_nats({{"servers", {"192.0.2.1:1", server}}})),
              Pointers{"/events/nats/servers/1"})
        << server;
  }
  for (const char* const subject : {"a..b", ".a", "a.", "a.*", "a.>", "a b", "{gateway", "{name}.a"}) {
    EXPECT_EQ(fault_pointers(with_nats({{"servers", {"192.0.2.1:1"}}, {"subject", subject}})),
              Pointers{"/events/nats/subject"})
        << subject;
  }
  EXPECT_EQ(fault_pointers(with_nats({{"servers", json::array()}})), Pointers{"/events/nats/servers"});
}

json with_access(json access) {
  access["servers"] = {"192.0.2.1:4222"};
  return with_nats(std::move(access));
}

TEST(ConfigEvents, HaveWhatAServerKnowsUsBy) {
  for (const json& access :
       {json{{"user", "edge"}, {"password", "file:/p"}}, json{{"token", "credential:nats"}},
        json{{"nkey", "file:/seed"}, {"tls", {{"ca", "file:/ca"}, {"server_name", "n"}}}}}) {
    const auto model = parse_config(with_access(access));
    ASSERT_TRUE(model) << access;
    json written = to_json(*model)["events"]["nats"];
    EXPECT_EQ(model->events.nats->needs_tls(), access.contains("tls"));
    written.erase("servers");
    written.erase("subject");
    EXPECT_EQ(written, access);
  }
  EXPECT_TRUE(parse_config(with_nats({{"servers", {"a:1", "tls://b:1"}}}))->events.nats->needs_tls());
}

TEST(ConfigEvents, SecretsAreReferencesAndOfOneKind) {
  using Pointers = std::vector<std::string>;
  EXPECT_EQ(fault_pointers(with_access({{"user", "a"}, {"password", "secret"}})),
            Pointers{"/events/nats/password"});
  EXPECT_EQ(fault_pointers(with_access({{"token", "secret"}})), Pointers{"/events/nats/token"});
  EXPECT_EQ(fault_pointers(with_access({{"user", "a"}})), Pointers{"/events/nats"});
  EXPECT_EQ(fault_pointers(with_access({{"password", "file:/p"}})), Pointers{"/events/nats"});
  EXPECT_EQ(fault_pointers(with_access({{"token", "file:/t"}, {"nkey", "file:/n"}})),
            Pointers{"/events/nats"});
  EXPECT_EQ(fault_pointers(with_access({{"tls", {{"certificate", "file:/c"}}}})),
            Pointers{"/events/nats/tls"});
}

}  // namespace
}  // namespace sluice::ctrl
