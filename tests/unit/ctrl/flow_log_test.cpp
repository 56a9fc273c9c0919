#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/store/flow_marks.h"
#include "ctrl/telemetry/flow_file.h"
#include "ctrl/wire/flow_json.h"
#include "ctrl/wire/ipfix_message.h"
#include "tests/unit/ctrl/sample_config.h"
#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

using lb::FlowReader;
using nlohmann::json;

json with_flow_log(json flow_log) {
  json config = test::sample_config();
  config["flow_log"] = std::move(flow_log);
  return config;
}

TEST(ConfigFlowLog, IsReadWrittenAndARunTimeSetting) {
  for (const auto& [given, written] : std::vector<std::pair<std::string, std::string>>{
           {"file:/var/log/sluice/flows.jsonl", "file:/var/log/sluice/flows.jsonl"},
           {"ipfix:127.0.0.1:4739", "ipfix:127.0.0.1:4739"},
           {"ipfix:collector.example", "ipfix:collector.example:4739"},
           {"ipfix+udp:192.0.2.1:99", "ipfix:192.0.2.1:99"},
           {"ipfix+tcp:[2001:db8::1]:4740", "ipfix+tcp:[2001:db8::1]:4740"}}) {
    const auto model = parse_config(with_flow_log({{"to", given}, {"sample", 0.5}}));
    ASSERT_TRUE(model) << given;
    EXPECT_EQ(to_json(*model)["flow_log"], (json{{"to", written}, {"sample", 0.5}}));
  }
  const auto without = parse_config(test::sample_config());
  EXPECT_FALSE(to_json(*without).contains("flow_log"));
  auto with = parse_config(with_flow_log({{"to", "file:/tmp/flows"}}));
  EXPECT_EQ(with->flow_log->sample, 1);
  share_unchanged(*without, *with);
  EXPECT_EQ(changed_parts(*without, *with), (std::vector<std::string>{"flow_log"}));
}

TEST(ConfigFlowLog, FaultsAreNamed) {
  for (const char* to : {"flows.jsonl", "file:flows.jsonl", "ipfix:", "ipfix:192.0.2.1:70000", "syslog:x",
                         "ipfix:http://192.0.2.1", "ipfix+tcp:192.0.2.1:1/path"}) {
    const auto model = parse_config(with_flow_log({{"to", to}}));
    ASSERT_FALSE(model) << to;
    EXPECT_EQ(model.error().faults.front().pointer, "/flow_log/to") << to;
  }
  for (const json& sample : {json(-0.1), json(1.5), json("all")}) {
    const auto model = parse_config(with_flow_log({{"to", "file:/x"}, {"sample", sample}}));
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().faults.front().pointer, "/flow_log/sample");
  }
}

/// A record and the names that a NamedFlow borrows.
struct Flow {
  lb::FlowRecord record;
  std::string service = "web \"1\"\n", pool = "web";
  IpAddress backend = *IpAddress::parse("fd20::11");

  Flow() {
    record.key = {*IpAddress::parse("192.0.2.7"),
                  *IpAddress::parse("203.0.113.10"),
                  Be16::from_host(40000),
                  Be16::from_host(443),
                  IpProtocol::kTcp,
                  {}};
    record.counts = {7, 5, 700, 5000};
    record.told = {2, 1, 200, 1000};
    record.handshake_us = 1234;
    record.end = lb::FlowEnd::kFin;
  }
  NamedFlow named() const {
    return {record, 1'700'000'000'123'456'789, 1'700'000'001'000'000'000, service, pool, backend, 8080};
  }
};

TEST(FlowJson, HasWhatTheContractNames) {
  Flow flow;
  std::string line;
  add_flow_line(line, flow.named());
  ASSERT_EQ(line.back(), '\n');
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const json expected = {{"start", 1'700'000'000.123456},
                         {"end", 1'700'000'001.0},
                         {"protocol", "tcp"},
                         {"source", "192.0.2.7"},
                         {"source_port", 40000},
                         {"destination", "203.0.113.10"},
                         {"destination_port", 443},
                         {"service", "web \"1\"\n"},
                         {"pool", "web"},
                         {"backend", "[fd20::11]:8080"},
                         {"packets_in", 7},
                         {"packets_out", 5},
                         {"bytes_in", 700},
                         {"bytes_out", 5000},
                         {"handshake", 0.001234},
                         {"reason", "fin"}};
  EXPECT_EQ(json::parse(line), expected);
  flow.record.handshake_us = lb::FlowRecord::kNoHandshake;
  flow.record.end = lb::FlowEnd::kReset;
  line.clear();
  add_flow_line(line, flow.named());
  EXPECT_TRUE(json::parse(line)["handshake"].is_null());
  EXPECT_EQ(json::parse(line)["reason"], "rst");
}

uint32_t number_at(const std::string& bytes, size_t at, size_t size) {
  uint32_t number = 0;
  for (size_t i = 0; i < size; ++i) number = number << 8 | static_cast<uint8_t>(bytes.at(at + i));
  return number;
}

/// RFC 7011, sections 3.1 and 3.3.
TEST(IpfixMessage, LengthsAndSequencesAreThoseOfTheRfc) {
  const Flow flow;
  const ipfix::DataRecord record = ipfix::record_of(flow.named());
  ipfix::FlowMessage message(600);
  EXPECT_TRUE(message.is_empty());
  message.add_templates();
  uint32_t records = 0;
  while (message.add(record)) ++records;
  EXPECT_GT(records, 1u);
  EXPECT_EQ(message.records(), records);
  const std::string bytes = message.finish(1'700'000'000, 77);
  EXPECT_LE(bytes.size(), 600u);
  EXPECT_GT(bytes.size() + record.bytes.size(), 600u);
  EXPECT_EQ(number_at(bytes, 0, 2), 10u);
  EXPECT_EQ(number_at(bytes, 2, 2), bytes.size());
  EXPECT_EQ(number_at(bytes, 4, 4), 1'700'000'000u);
  EXPECT_EQ(number_at(bytes, 8, 4), 77u);
  std::vector<uint32_t> sets;
  size_t at = 16;
  while (at < bytes.size()) {
    sets.push_back(number_at(bytes, at, 2));
    ASSERT_GE(number_at(bytes, at + 2, 2), 4u);
    at += number_at(bytes, at + 2, 2);
  }
  EXPECT_EQ(at, bytes.size());
  EXPECT_EQ(sets, (std::vector<uint32_t>{2, 256})) << "templates, then records over IPv4";
}

class FlowFileTest : public testing::Test {
 protected:
  uint64_t told() const { return lanes->told(FlowReader::kLog); }
  uint64_t lost() const { return lanes->lost(FlowReader::kLog); }
  size_t lines_in(const std::string& path) const {
    std::ifstream file(path);
    size_t lines = 0;
    for (std::string line; std::getline(file, line); ++lines) EXPECT_TRUE(json::accept(line));
    return lines;
  }
  void take(FlowFile& file, int flows, lb::FlowEnd end = lb::FlowEnd::kIdle) {
    Flow flow;
    flow.record.end = end;
    for (int i = 0; i < flows; ++i) file.take(flow.named());
    file.pause();
  }

  TemporaryDirectory directory;
  std::string path = directory.file("flows.jsonl");
  std::shared_ptr<dataplane::FlowLanes> lanes = std::make_shared<dataplane::FlowLanes>(1);
  FlowFile file{path, FlowTally(lanes, FlowReader::kLog)};
};

TEST_F(FlowFileTest, GoesOnWhereItWasMovedAndCountsWhatEnds) {
  take(file, 3);
  take(file, 2, lb::FlowEnd::kActive);
  EXPECT_EQ(lines_in(path), 5u);
  EXPECT_EQ(told(), 3u) << "one that goes on is not counted";
  std::filesystem::rename(path, path + ".1");
  take(file, 4);
  EXPECT_EQ(lines_in(path), 4u);
  EXPECT_EQ(lines_in(path + ".1"), 5u);
  file.reopen();
  std::filesystem::remove(path);
  file.pause();
  EXPECT_TRUE(std::filesystem::exists(path)) << "at once, without a flow";
  EXPECT_EQ(told(), 7u);
  EXPECT_EQ(lost(), 0u);
}

TEST_F(FlowFileTest, AFullDiskLosesAndCounts) {
  FlowFile full("/dev/full", FlowTally(lanes, FlowReader::kLog));
  take(full, 5);
  take(full, 2, lb::FlowEnd::kActive);
  FlowFile nowhere(path + "/no/such/place", FlowTally(lanes, FlowReader::kLog));
  take(nowhere, 4);
  EXPECT_EQ(told(), 0u);
  EXPECT_EQ(lost(), 9u);
}

TEST(FlowMarks, ANumberIsFreeOnceWhatEndedBeforeHasItsName) {
  FlowMarks marks;
  marks.begin(nullptr);
  EXPECT_TRUE(marks.is_free_service(1)) << "nobody reads records";
  marks.end(nullptr);

  dataplane::FlowLanes lanes(2);
  lanes.of(1).pushed = 10;
  marks.begin(&lanes);
  EXPECT_FALSE(marks.is_free_service(1));
  marks.end(&lanes);
  lanes.of(1).pushed = 12;
  lanes.of(1).named = 9;
  marks.begin(&lanes);
  EXPECT_FALSE(marks.is_free_service(1));
  EXPECT_FALSE(marks.is_free_backend(1)) << "idle only since";
  marks.end(&lanes);
  lanes.of(1).named = 10;
  marks.begin(&lanes);
  EXPECT_FALSE(marks.is_free_backend(1));
  EXPECT_TRUE(marks.is_free_service(1));
  marks.end(&lanes);
  lanes.of(1).named = 12;
  marks.begin(&lanes);
  EXPECT_TRUE(marks.is_free_backend(1));
  marks.end(&lanes);
}

}  // namespace
}  // namespace sluice::ctrl
