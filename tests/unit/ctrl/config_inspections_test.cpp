// `inspections` and `inspect`: what is read, what is refused and where, and what is written again.
#include "ctrl/intent/config_inspections.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/intent/rules_file.h"
#include "ctrl/rpc/methods/police_rules.h"
#include "tests/unit/ctrl/config_faults.h"
#include "tests/unit/ctrl/sample_config.h"
#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

using dataplane::RuleAction;
using nlohmann::json;

/// What interface.md, section 11, shows, without its file.
const json kEdge = json::parse(R"({
  "name": "edge", "mode": "stream", "bytes": 4096,
  "rules": [
    { "id": 1001, "pattern": "/etc/passwd", "literal": true, "action": "drop" },
    { "id": 1002, "pattern": "user-agent: *sqlmap", "flags": "i", "action": "reset" },
    { "id": 1003, "pattern": "^GET /beta", "action": "count" }
  ]})");

json with_inspection(const json& inspection) {
  json config = test::sample_config();
  config["inspections"] = {inspection};
  config["services"][0]["inspect"] = "edge";
  return config;
}

TEST(ConfigInspections, AreReadAndWrittenAlike) {
  const auto model = parse_config(with_inspection(kEdge));
  ASSERT_TRUE(model) << model.error().faults.at(0).pointer << model.error().faults.at(0).message;
  const InspectionModel& edge = *model->inspections.at("edge");
  EXPECT_EQ(edge.streams, 65536u);
  ASSERT_EQ(edge.rules.size(), 3u);
  EXPECT_TRUE(edge.rules[0].is_literal);
  EXPECT_TRUE(edge.rules[1].ignores_case);
  EXPECT_EQ(edge.rules[1].action, RuleAction::kReset);
  EXPECT_EQ(model->services.at("web")->inspect, "edge");
  const json written = to_json(*model);
  auto again = parse_config(written);
  ASSERT_TRUE(again);
  EXPECT_EQ(to_json(*again), written);
  share_unchanged(*model, *again);
  EXPECT_TRUE(changed_parts(*model, *again).empty());
  json with_other_rule = written;
  with_other_rule["inspections"][0]["rules"][2]["action"] = "drop";
  auto other = parse_config(with_other_rule);
  ASSERT_TRUE(other);
  share_unchanged(*model, *other);
  EXPECT_EQ(changed_parts(*model, *other), std::vector<std::string>{"inspection/edge"});
}

TEST(ConfigInspections, RefuseAPatternInHyperscansWords) {
  json edge = kEdge;
  edge["rules"][0]["literal"] = false;
  edge["rules"][0]["pattern"] = "(unclosed";
  edge["rules"][2]["pattern"] = "a*";
  const auto found = fault_lines(with_inspection(edge));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_TRUE(found[0].starts_with("/inspections/0/rules/0/pattern: ")) << found[0];
  EXPECT_NE(found[0].find("parenthes"), std::string::npos) << found[0];
  EXPECT_TRUE(found[1].starts_with("/inspections/0/rules/2/pattern: ")) << found[1];
}

TEST(ConfigInspections, HaveNamesAndIdsOfTheirOwn) {
  json config = with_inspection(kEdge);
  config["inspections"].push_back(kEdge);
  config["inspections"][1]["rules"][1]["id"] = 1001;
  const auto found = fault_lines(config);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], "/inspections/1/name: there is an inspection named \"edge\" already");
  EXPECT_EQ(found[1], "/inspections/1/rules/1/id: there is a rule with the id 1001 already");
}

TEST(ConfigInspections, AreReferredToOnlyWhereThereAreAnyAndWhereTheyCanServe) {
  json config = with_inspection(kEdge);
  config["services"][0]["inspect"] = "other";
  EXPECT_EQ(fault_lines(config),
            std::vector<std::string>{"/services/0/inspect: there is no inspection named \"other\""});
  config["services"][0]["inspect"] = "edge";
  config["services"][1]["inspect"] = "edge";  // UDP
  EXPECT_EQ(fault_lines(config).size(), 1u);
  config["inspections"][0]["mode"] = "packet";
  config["inspections"][0].erase("bytes");
  EXPECT_EQ(fault_lines(config),
            std::vector<std::string>{
                "/services/1/inspect: rule 1002 of \"edge\" resets, and UDP has nothing to reset"});
  config["services"][1]["protocol"] = "tcp";
  ASSERT_EQ(fault_lines(config).size(), 1u);
  EXPECT_NE(fault_lines(config)[0].find("full-nat or dnat"), std::string::npos);
  config["inspections"][0]["rules"].erase(1);
  EXPECT_TRUE(fault_lines(config).empty());
}

TEST(ConfigInspections, SayNothingThatCountsNothing) {
  json edge = kEdge;
  edge["mode"] = "packet";
  edge["streams"] = 5;
  EXPECT_EQ(fault_lines(with_inspection(edge)).size(), 2u);
  EXPECT_EQ(fault_lines(with_inspection({{"name", "edge"}})).size(), 1u);
  edge = kEdge;
  edge["rules"][0]["flags"] = "s";
  EXPECT_EQ(fault_lines(with_inspection(edge)).size(), 1u);
  edge["rules"][0]["flags"] = "ii";
  EXPECT_EQ(fault_lines(with_inspection(edge)).size(), 1u);
  edge["rules"][0]["flags"] = "x";
  EXPECT_EQ(fault_lines(with_inspection(edge)).size(), 1u);
}

TEST(RulesFile, HasARuleALine) {
  const auto rules =
      parse_rules_file("# comment\n\n1:/a\\/b/ drop\n  22:/c/d/is\treset  \r\n3:/^x$/m count\n");
  ASSERT_TRUE(rules);
  ASSERT_EQ(rules->size(), 3u);
  EXPECT_EQ((*rules)[0].pattern, "a\\/b");
  EXPECT_EQ((*rules)[1].id, 22u);
  EXPECT_EQ((*rules)[1].pattern, "c/d");
  EXPECT_TRUE((*rules)[1].ignores_case && (*rules)[1].dot_matches_all);
  EXPECT_EQ((*rules)[1].action, RuleAction::kReset);
  EXPECT_TRUE((*rules)[2].is_multiline);
}

TEST(RulesFile, SaysWhereEachFaultIs) {
  const auto rules = parse_rules_file(
      "x:/a/ drop\n1 /a/ drop\n2:/a drop\n3:// drop\n4:/a/q drop\n5:/a/\n6:/a/ explode\n7:/a/ drop\n7:/b/ "
      "drop\n");
  ASSERT_FALSE(rules);
  std::vector<std::pair<size_t, size_t>> places;
  for (const RuleLineFault& fault : rules.error()) places.emplace_back(fault.line, fault.column);
  const std::vector<std::pair<size_t, size_t>> expected = {{1, 1}, {2, 2}, {3, 10}, {4, 4},
                                                           {5, 6}, {6, 6}, {7, 7},  {9, 1}};
  EXPECT_EQ(places, expected);
}

TEST(RulesFile, IsAFaultOfTheConfigurationWithItsLineAndColumn) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("edge.rules");
  std::ofstream(path) << "2001:/fine/ drop\n2002:/(/ drop\n1001:/taken/ drop\n";
  json edge = kEdge;
  edge["rules_file"] = "file:" + path;
  const auto found = fault_lines(with_inspection(edge));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].starts_with("/inspections/0/rules_file: " + path + ":2:7: ")) << found[0];
  EXPECT_NE(found[0].find(path + ":3:1: "), std::string::npos) << found[0];
  std::ofstream(path) << "2001:/fine/ drop\n";
  const auto model = parse_config(with_inspection(edge));
  ASSERT_TRUE(model);
  EXPECT_EQ(model->inspections.at("edge")->from_file->size(), 1u);
}

TEST(PoliceRules, NameTheRuleThatInspected) {
  const auto model = parse_config(with_inspection(kEdge));
  ASSERT_TRUE(model);
  const auto said =
      police_rule({.kind = lb::DecidedRule::Kind::kInspection, .is_refusal = true, .index = 1001},
                  *model->services.at("web"));
  ASSERT_TRUE(said);
  EXPECT_EQ(*said, json({{"kind", "inspection"}, {"name", "edge"}, {"detail", "inspected: edge rule 1001"}}));
}

}  // namespace
}  // namespace sluice::ctrl
