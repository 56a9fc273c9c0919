#include <gtest/gtest.h>

#include "ctrl/intent/config_diff.h"
#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/model_changes.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

json with_tracing(json tracing) {
  json config = test::sample_config();
  config["tracing"] = std::move(tracing);
  return config;
}

/// Where a configuration is at fault; nothing: it is not.
std::vector<std::string> faults_of(const json& tracing) {
  std::vector<std::string> pointers;
  const auto model = parse_config(with_tracing(tracing));
  if (model) return pointers;
  for (const Fault& fault : model.error().faults) pointers.push_back(fault.pointer);
  return pointers;
}

TEST(ConfigTracing, IsReadAndWritten) {
  const json tracing = {{"otlp", "https://collector.example:4318/tenant"},
                        {"headers", {{"Authorization", "file:/etc/sluice/otlp.token"}, {"x-key", "a b"}}},
                        {"resource", {{"deployment.environment.name", "lab"}}}};
  const auto model = parse_config(with_tracing(tracing));
  ASSERT_TRUE(model);
  EXPECT_EQ(model->tracing->otlp, "https://collector.example:4318/tenant");
  EXPECT_EQ(model->tracing->headers.at("x-key"), "a b");
  const json written = to_json(*model)["tracing"];
  EXPECT_EQ(parse_config(with_tracing(written))->tracing, model->tracing);
  for (const auto& [key, value] : tracing.items()) EXPECT_EQ(written[key], value);
  EXPECT_FALSE(to_json(*parse_config(test::sample_config())).contains("tracing"));
}

TEST(ConfigTracing, SamplesAShareOfFlowsAndOfTransactions) {
  const json receiver = {{"otlp", "http://127.0.0.1:4318"}};
  const json tracing = {{"otlp", "http://127.0.0.1:4318"}, {"flows", 0.25}, {"transactions", 0.001}};
  const auto model = parse_config(with_tracing(tracing));
  ASSERT_TRUE(model);
  EXPECT_EQ(model->tracing->flows, 0.25);
  EXPECT_EQ(model->tracing->transactions, 0.001);
  EXPECT_EQ(to_json(*model)["tracing"], tracing);
  EXPECT_EQ(parse_config(with_tracing(receiver))->tracing->flows, 0);
  EXPECT_EQ(parse_config(with_tracing(receiver))->tracing->transactions, 0);
  for (const char* const key : {"flows", "transactions"}) {
    for (const json& share : {json(-0.1), json(1.1), json("all")}) {
      json wrong = receiver;
      wrong[key] = share;
      EXPECT_EQ(faults_of(wrong), std::vector<std::string>{"/tracing/" + std::string(key)});
    }
  }
}

TEST(ConfigTracing, IsARunTimeSetting) {
  const auto without = parse_config(test::sample_config());
  auto with = parse_config(with_tracing({{"otlp", "http://127.0.0.1:4318"}}));
  share_unchanged(*without, *with);
  EXPECT_EQ(changed_parts(*without, *with), std::vector<std::string>{"tracing"});
  for (const DiffEntry& entry : diff_configurations(to_json(*without), to_json(*with))) {
    EXPECT_FALSE(entry.needs_restart);
  }
}

TEST(ConfigTracing, FaultsAreNamed) {
  using Pointers = std::vector<std::string>;
  const std::string receiver = "http://127.0.0.1:4318";
  for (const char* const otlp : {"", "127.0.0.1:4318", "grpc://127.0.0.1:4317", "http://", "http://a:99999",
                                 "http://user:secret@a:4318", "http://a/b c"}) {
    EXPECT_EQ(faults_of({{"otlp", otlp}}), Pointers{"/tracing/otlp"}) << otlp;
  }
  EXPECT_EQ(faults_of(json::object()), Pointers{"/tracing/otlp"});
  for (const char* const name : {"a b", "a:b", "Host", "content-type", "Content-Length", "Connection"}) {
    EXPECT_EQ(faults_of({{"otlp", receiver}, {"headers", {{name, "x"}}}}),
              Pointers{"/tracing/headers/" + std::string(name)})
        << name;
  }
  for (const json& value : {json(""), json("a\r\nb: c"), json(5), json(nullptr), json("file:relative"),
                            json(std::string(5000, 'x'))}) {
    EXPECT_EQ(faults_of({{"otlp", receiver}, {"headers", {{"x", value}}}}), Pointers{"/tracing/headers/x"})
        << value;
  }
  EXPECT_EQ(faults_of({{"otlp", receiver}, {"resource", {{"a", true}, {"b", "c"}}}}),
            Pointers{"/tracing/resource/a"});
  EXPECT_EQ(faults_of({{"otlp", receiver}, {"resource", json::array()}}), Pointers{"/tracing/resource"});
  json many;
  for (int i = 0; i < 65; ++i) many["k" + std::to_string(i)] = "v";
  EXPECT_EQ(faults_of({{"otlp", receiver}, {"resource", many}}), Pointers{"/tracing/resource"});
  EXPECT_EQ(faults_of({{"otlp", receiver}, {"grpc", true}}), Pointers{"/tracing/grpc"});
}

}  // namespace
}  // namespace sluice::ctrl
