#include "ctrl/intent/yaml_reader.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

using nlohmann::json;

std::string error_of(const std::string& text) {
  const YamlDocument document = read_yaml(text);
  if (!document.error) return "none: " + document.value.dump();
  return std::to_string(document.error->position.line) + ":" +
         std::to_string(document.error->position.column) + ": " + document.error->message;
}

TEST(ReadYaml, TypesPlainScalarsByTheCoreSchema) {
  const YamlDocument document = read_yaml(R"(
[null, ~, Null, true, False, 0, -1, +7, 0x1F, 0o17, 1.5, 1e3, -.5, 18446744073709551615,
 no, on, yes, 012, 0660, 1_000, 0b1, .inf, nan, 1:30, "1", '2', !!str 3, 02:00:00:00:00:01])");
  ASSERT_FALSE(document.error);
  const json expected = json::parse(R"([null, null, null, true, false, 0, -1, 7, 31, 15, 1.5, 1000.0, -0.5,
      18446744073709551615, "no", "on", "yes", "012", "0660", "1_000", "0b1", ".inf", "nan", "1:30", "1", "2", "3",
      "02:00:00:00:00:01"])");
  EXPECT_EQ(document.value, expected);
}

TEST(ReadYaml, KnowsWhereEveryFieldStands) {
  const YamlDocument document = read_yaml(
      "a: 1\n"
      "list:\n"
      "  - x: 1\n"
      "    y: { z: [5, 6] }\n"
      "  - two\n"
      "\"s/l~h\": v\n");
  ASSERT_FALSE(document.error);
  const auto at = [&](const char* pointer) {
    const auto found = document.positions.find(pointer);
    if (found == document.positions.end()) return std::string("nowhere");
    return std::to_string(found->second.line) + ":" + std::to_string(found->second.column);
  };
  EXPECT_EQ(at(""), "1:1");
  EXPECT_EQ(at("/a"), "1:1");
  EXPECT_EQ(at("/list"), "2:1");
  EXPECT_EQ(at("/list/0"), "3:5");
  EXPECT_EQ(at("/list/0/x"), "3:5");
  EXPECT_EQ(at("/list/0/y"), "4:5");
  EXPECT_EQ(at("/list/0/y/z"), "4:10");
  EXPECT_EQ(at("/list/0/y/z/1"), "4:17");
  EXPECT_EQ(at("/list/1"), "5:5");
  EXPECT_EQ(at("/s~1l~0h"), "6:1");
  EXPECT_EQ(document.positions.size(), 11u);
}

TEST(ReadYaml, RefusesWhatCouldBeMeantInTwoWays) {
  EXPECT_EQ(error_of("a: 1\n---\nb: 2\n"), "2:1: there is more than one document in this file");
  EXPECT_EQ(error_of("? [a]\n: 1\n"), "1:3: a key must be text, and a list or mapping must be closed");
  EXPECT_EQ(error_of(std::string(200'000, '[')), error_of("[["));
  EXPECT_EQ(error_of("a: [b\n"), "2:1: end of sequence flow not found");
  EXPECT_EQ(error_of("a: !!int 1\n"), "1:4: the tag tag:yaml.org,2002:int has no meaning here");
  EXPECT_EQ(error_of("a: !mine [1]\n"), "1:4: the tag !mine has no meaning here");
}

TEST(ReadYaml, TellsDuplicateKeysAndKeepsTheFirst) {
  const YamlDocument document = read_yaml("a: {b: 1, b: [2, {c: 3}]}\nlist: [{x: 1, x: 2}]\na: 4\n");
  ASSERT_FALSE(document.error);
  EXPECT_EQ(document.value.dump(), R"({"a":{"b":1},"list":[{"x":1}]})");
  std::vector<std::string> found;
  for (const DuplicateKey& key : document.duplicates) {
    found.push_back(std::to_string(key.position.line) + ":" + std::to_string(key.position.column) + " " +
                    key.pointer);
  }
  EXPECT_EQ(found, (std::vector<std::string>{"1:11 /a/b", "2:15 /list/0/x", "3:1 /a"}));
}

TEST(ReadYaml, RefusesEmptyAndBrokenText) {
  EXPECT_EQ(error_of(""), "1:1: the file is empty");
  EXPECT_EQ(error_of("# nothing\n"), "1:1: the file is empty");
  EXPECT_EQ(error_of("---\n"), "1:1: the file is empty");
  EXPECT_EQ(error_of("a: [1, 2\nb: 3\n").substr(0, 2), "2:");
  EXPECT_EQ(error_of("a: \xff\n"), "1:4: is not UTF-8 text");
  EXPECT_EQ(error_of(std::string("a: \0b", 5)), "1:4: has a control character");
  EXPECT_EQ(error_of("a: \xed\xa0\x80\n"), "1:4: is not UTF-8 text");
}

TEST(ReadYaml, BoundsDepth) {
  const std::string opened(32, '['), closed(32, ']');
  EXPECT_FALSE(read_yaml(opened + closed).error);
  EXPECT_EQ(error_of("[" + opened + closed + "]"), "1:33: nested deeper than 32 levels");
  EXPECT_TRUE(read_yaml(std::string(200'000, '[')).error);
}

TEST(ReadYaml, ExpandsAliasesWithinBounds) {
  const YamlDocument document = read_yaml("a: &x {k: [1, 2]}\nb: *x\n");
  ASSERT_FALSE(document.error);
  EXPECT_EQ(document.value["b"], json::parse(R"({"k": [1, 2]})"));

  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string inner = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + inner;
    for (int copies = 1; copies < 10; ++copies) laughs += ", " + inner;
    laughs += "]\n";
  }
  EXPECT_NE(error_of(laughs).find("stand for too many values"), std::string::npos);
  EXPECT_NE(error_of("a: &a [*a]\n").find("an alias inside of what it stands for"), std::string::npos);
}

}  // namespace
}  // namespace sluice::ctrl
