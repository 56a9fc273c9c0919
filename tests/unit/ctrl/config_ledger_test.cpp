// The `ledger` section: what it means, what is refused and where, and that it comes back as it was.
#include "ctrl/intent/config_ledger.h"

#include <gtest/gtest.h>

#include "ctrl/intent/config_schema.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

json with_ledger(json ledger) {
  return {{"gateway", {{"workers", {0}}}},
          {"ports", {{{"name", "edge"}, {"device", "net_null0"}, {"addresses", {"192.0.2.1/24"}}}}},
          {"snat", {"192.0.2.7"}},
          {"pools", {{{"name", "dns"}, {"backends", {{{"address", "192.0.2.9"}}}}}}},
          {"services",
           {{{"name", "dns"},
             {"address", "203.0.113.0/28"},
             {"port", "50-59"},
             {"protocol", "udp"},
             {"pool", "dns"}},
            {{"name", "web"}, {"address", "203.0.113.20"}, {"port", 80}, {"pool", "dns"}}}},
          {"ledger", std::move(ledger)}};
}

json least() {
  return {{"origin", "log.example/one"},
          {"directory", "/var/lib/sluice/ledger"},
          {"signing_key", "file:/etc/sluice/ledger.key"}};
}

json ingress(const char* address, unsigned port) {
  return {{"address", address}, {"port", port}, {"framing", "raw"}};
}

/// The faults of a section that differs from least() by `change`, as pointer and message.
std::vector<std::pair<std::string, std::string>> ledger_faults(const json& change) {
  json ledger = least();
  ledger.merge_patch(change);
  const auto model = parse_config(with_ledger(ledger));
  std::vector<std::pair<std::string, std::string>> found;
  if (model) return found;
  for (const auto& fault : model.error().faults) found.emplace_back(fault.pointer, fault.message);
  return found;
}

TEST(ConfigLedger, IsAbsentUnlessConfigured) {
  json config = with_ledger({});
  config.erase("ledger");
  const auto model = parse_config(config);
  ASSERT_TRUE(model);
  EXPECT_FALSE(model->ledger);
  EXPECT_FALSE(to_json(*model).contains("ledger"));
}

TEST(ConfigLedger, HasTheDefaultsOfTheSchema) {
  const auto model = parse_config(with_ledger(least()));
  ASSERT_TRUE(model) << model.error().faults[0].message;
  const LedgerModel& ledger = *model->ledger;
  EXPECT_EQ(ledger.origin, "log.example/one");
  EXPECT_EQ(ledger.seal.transactions, 4096u);
  EXPECT_EQ(ledger.seal.bytes, 1048576u);
  EXPECT_EQ(ledger.seal.delay, milliseconds(2));
  EXPECT_EQ(ledger.checkpoint_interval, milliseconds(100));
  EXPECT_EQ(ledger.dedupe_window, 4194304u);
  EXPECT_FALSE(ledger.source_rate);
  const json schema = json::parse(config_schema())["properties"]["ledger"]["properties"];
  const json encoded = to_json(*model)["ledger"];
  for (const char* key : {"checkpoint_interval", "dedupe_window", "sha256", "ingress", "on_failure"}) {
    EXPECT_EQ(encoded[key], schema[key]["default"]) << key;
  }
  for (const char* key : {"transactions", "bytes", "delay"}) {
    EXPECT_EQ(encoded["seal"][key], schema["seal"]["properties"][key]["default"]) << key;
  }
}

TEST(ConfigLedger, ComesBackAsItWas) {
  json section = least();
  section["ingress"] = {
      {{"address", "203.0.113.20"}, {"port", 5683}, {"framing", "coap"}, {"profile", "opaque"}},
      {{"address", "2001:db8::20"}, {"port", 9000}, {"framing", "raw"}, {"profile", "bitcoin"}}};
  section["seal"] = {{"transactions", 17}, {"bytes", "3KiB"}, {"delay", "5ms"}};
  section["checkpoint_interval"] = "2s";
  section["dedupe_window"] = 1000;
  section["source_rate"] = {{"rate", 100000}, {"burst", 10000}, {"prefix4", 24}, {"prefix6", 56}};
  section["sha256"] = "openssl";
  section["on_failure"] = "refuse";
  const auto model = parse_config(with_ledger(section));
  ASSERT_TRUE(model) << model.error().faults[0].message;
  EXPECT_EQ(model->ledger->ingress[1].profile, ledger::Profile::kBitcoin);
  EXPECT_EQ(model->ledger->ingress[0].framing, Framing::kCoap);
  EXPECT_EQ(model->ledger->seal.bytes, 3072u);
  EXPECT_EQ(model->ledger->on_failure, OnFailure::kRefuse);
  EXPECT_EQ(model->ledger->source_rate->burst, 10000u);
  EXPECT_EQ(to_json(*model)["ledger"], section);
}

TEST(ConfigLedger, ReadsSizesAsNumbersAndWithUnits) {
  for (const auto& [written, bytes] : std::vector<std::pair<json, uint32_t>>{
           {1, 1}, {"1", 1}, {"4096B", 4096}, {"64KiB", 65536}, {"64MiB", 67108864}, {67108864, 67108864}}) {
    json section = least();
    section["seal"] = {{"bytes", written}};
    const auto model = parse_config(with_ledger(section));
    ASSERT_TRUE(model) << written;
    EXPECT_EQ(model->ledger->seal.bytes, bytes) << written;
  }
  for (const json& wrong : {json(0), json("0"), json("65MiB"), json("1MB"), json("MiB"), json("-1"),
                            json("99999999999"), json(67108865), json(1.5)}) {
    const auto found = ledger_faults({{"seal", {{"bytes", wrong}}}});
    ASSERT_EQ(found.size(), 1u) << wrong;
    EXPECT_EQ(found[0].first, "/ledger/seal/bytes") << wrong;
  }
}

TEST(ConfigLedger, NamesTheFieldAtFault) {
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"origin", "two words"}}, "/ledger/origin"},
      {{{"origin", "a+b"}}, "/ledger/origin"},
      {{{"origin", nullptr}}, "/ledger/origin"},
      {{{"directory", "relative"}}, "/ledger/directory"},
      {{{"signing_key", "/etc/key"}}, "/ledger/signing_key"},
      {{{"signing_key", "file:key"}}, "/ledger/signing_key"},
      {{{"seal", {{"delay", "0ms"}}}}, "/ledger/seal/delay"},
      {{{"seal", {{"delay", "11s"}}}}, "/ledger/seal/delay"},
      {{{"seal", {{"transactions", 0}}}}, "/ledger/seal/transactions"},
      {{{"checkpoint_interval", "9ms"}}, "/ledger/checkpoint_interval"},
      {{{"checkpoint_interval", "2h"}}, "/ledger/checkpoint_interval"},
      {{{"dedupe_window", 0}}, "/ledger/dedupe_window"},
      {{{"source_rate", {{"rate", 1}}}}, "/ledger/source_rate/burst"},
      {{{"source_rate", {{"rate", 0}, {"burst", 1}}}}, "/ledger/source_rate/rate"},
      {{{"source_rate", {{"rate", 1}, {"burst", 1}, {"prefix4", 33}}}}, "/ledger/source_rate/prefix4"},
      {{{"source_rate", {{"rate", 1}, {"burst", 1}, {"prefix6", 0}}}}, "/ledger/source_rate/prefix6"},
      {{{"sha256", "md5"}}, "/ledger/sha256"},
      {{{"colour", "red"}}, "/ledger/colour"},
      {{{"ingress", {{{"address", "203.0.113.20"}, {"port", 0}, {"framing", "raw"}}}}},
       "/ledger/ingress/0/port"},
      {{{"ingress", {{{"address", "224.0.0.1"}, {"port", 1}, {"framing", "raw"}}}}},
       "/ledger/ingress/0/address"},
      {{{"ingress", {{{"address", "203.0.113.20"}, {"port", 1}}}}}, "/ledger/ingress/0/framing"},
  };
  for (const auto& [change, pointer] : cases) {
    const auto found = ledger_faults(change);
    ASSERT_EQ(found.size(), 1u) << change;
    EXPECT_EQ(found[0].first, pointer) << change;
  }
}

TEST(ConfigLedger, RefusesAnIngressThatSomebodyElseHas) {
  const auto at = [](json list) { return ledger_faults({{"ingress", std::move(list)}}); };
  EXPECT_TRUE(at({ingress("203.0.113.20", 80)}).empty());  // the service there is TCP
  EXPECT_TRUE(at({ingress("203.0.113.1", 60)}).empty());
  EXPECT_TRUE(at({ingress("192.0.2.7", 1023)}).empty());
  EXPECT_TRUE(at({ingress("203.0.113.20", 9000), ingress("2001:db8::1", 9000)}).empty());

  const auto twice = at({ingress("203.0.113.20", 9000), ingress("203.0.113.20", 9000)});
  ASSERT_EQ(twice.size(), 1u);
  EXPECT_EQ(twice[0].first, "/ledger/ingress/1/port");
  const auto service = at({ingress("203.0.113.15", 59)});
  ASSERT_EQ(service.size(), 1u);
  EXPECT_NE(service[0].second.find("service \"dns\""), std::string::npos);
  const auto snat = at({ingress("192.0.2.7", 1024)});
  ASSERT_EQ(snat.size(), 1u);
  EXPECT_NE(snat[0].second.find("snat"), std::string::npos);
}

}  // namespace
}  // namespace sluice::ctrl
