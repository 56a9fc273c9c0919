#include "ctrl/source/file_sd.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

TEST(FileSd, ReadsGroupsOfTargets) {
  const auto read = parse_file_sd(R"([
    {"targets": ["198.51.100.11:8080", "[2001:db8::1]:80"], "labels": {"weight": "3", "env": "prod"}},
    {"targets": ["backend.example.test:9000"]}
  ])");
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->instances.size(), 3u);
  EXPECT_EQ(read->instances[0].address, *IpAddress::parse("198.51.100.11"));
  EXPECT_EQ(read->instances[0].port, 8080);
  EXPECT_EQ(read->instances[0].weight, 3u);
  EXPECT_EQ(read->instances[1].address, *IpAddress::parse("2001:db8::1"));
  EXPECT_EQ(read->instances[2].name, "backend.example.test");
  EXPECT_EQ(read->instances[2].weight, 1u);
  EXPECT_EQ(read->unreadable, 0u);
}

TEST(FileSd, ReadsYaml) {
  const auto read = parse_file_sd("- targets:\n  - 198.51.100.11:8080\n  labels:\n    weight: 0\n");
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->instances.size(), 1u);
  EXPECT_EQ(read->instances[0].weight, 0u);
}

TEST(FileSd, AnEmptyListSaysThatThereIsNobody) {
  ASSERT_TRUE(parse_file_sd("[]"));
  EXPECT_TRUE(parse_file_sd("[]\n")->instances.empty());
  EXPECT_TRUE(parse_file_sd(R"([{"targets": []}])")->instances.empty());
}

TEST(FileSd, WhatIsNoListSaysNothing) {
  for (const char* text :
       {"", " \n\t", "{}", "[", "null", "nonsense", R"([{"targets": ["198.51.100.11:8080"])", "\x01\x02",
        "- a: &a [*a]", "- - -", "[7]", R"([{"labels": {}}])"}) {
    EXPECT_FALSE(parse_file_sd(text)) << text;
  }
}

TEST(FileSd, NamesWhatItLeavesOut) {
  const auto read = parse_file_sd(R"([
    {"targets": ["198.51.100.11", "198.51.100.11:0", "198.51.100.11:65536", "2001:db8::1:80", ":80", "a b:80",
                 "198.51.100.256:80x", 7, "198.51.100.12:80"]},
    {"targets": ["198.51.100.13:80"], "labels": {"weight": "65536"}},
    {"targets": ["198.51.100.14:80"], "labels": {"weight": "-1"}},
    {"labels": {}}, 7
  ])");
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->instances.size(), 1u);
  EXPECT_EQ(read->instances[0].address, *IpAddress::parse("198.51.100.12"));
  EXPECT_EQ(read->unreadable, 12u);
  EXPECT_EQ(read->unreadable_entries.front(), "198.51.100.11: no port");
}

TEST(FileSd, NamesOnlySoMany) {
  std::string text = "[{\"targets\": [";
  for (int i = 0; i < 1000; ++i) text += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\\u0007\"";
  const auto read = parse_file_sd(text + "]}]");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->unreadable, 1000u);
  EXPECT_EQ(read->unreadable_entries.size(), Snapshot::kMostNamed);
  EXPECT_EQ(read->unreadable_entries[0], "0?: no port");
}

}  // namespace
}  // namespace sluice::ctrl
