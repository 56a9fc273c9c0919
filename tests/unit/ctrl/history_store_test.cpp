#include "ctrl/store/history_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using std::chrono::system_clock;

class HistoryStoreTest : public testing::Test {
 protected:
  HistoryStore open() {
    auto opened = HistoryStore::open(path_);
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  static HistoryEntry entry(uint64_t generation) {
    return {generation,
            system_clock::time_point(std::chrono::seconds(1'700'000'000 + generation)),
            "root",
            "",
            {"pool/web"}};
  }
  std::string file(uint64_t generation) const {
    std::string number = std::to_string(generation);
    return path_ + "/" + std::string(20 - number.size(), '0') + number + ".json";
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("state/history");
};

TEST_F(HistoryStoreTest, GivesBackWhatWasWritten) {
  {
    HistoryStore store = open();
    EXPECT_TRUE(store.read().entries.empty());
    HistoryEntry pending = entry(8);
    pending.confirmation = Confirmation::kPending;
    pending.confirm_by = pending.time + std::chrono::seconds(120);
    pending.confirm_base = 7;
    ASSERT_TRUE(store.write(entry(7), R"({"a":1})"));
    ASSERT_TRUE(store.write(pending, R"({"a":2})"));
  }
  const HistoryStore store = open();
  const auto found = store.read();
  ASSERT_EQ(found.entries.size(), 2u);
  EXPECT_EQ(found.last, 8u);
  EXPECT_TRUE(found.unreadable.empty());
  const HistoryEntry& first = found.entries[0];
  EXPECT_EQ(first.generation, 7u);
  EXPECT_EQ(first.time, entry(7).time);
  EXPECT_EQ(first.author, "root");
  EXPECT_EQ(first.changed, std::vector<std::string>{"pool/web"});
  EXPECT_EQ(first.confirmation, Confirmation::kNotAsked);
  // printf '{"a":1}' | sha256sum
  EXPECT_EQ(first.sha256, "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862");
  EXPECT_EQ(found.entries[1].confirmation, Confirmation::kPending);
  EXPECT_EQ(found.entries[1].confirm_by, entry(8).time + std::chrono::seconds(120));
  EXPECT_EQ(found.entries[1].confirm_base, 7u);
  EXPECT_EQ(*store.configuration(8), (json{{"a", 2}}));
}

TEST_F(HistoryStoreTest, ReplacesAndForgets) {
  HistoryStore store = open();
  for (uint64_t generation = 1; generation <= 5; ++generation) {
    ASSERT_TRUE(store.write(entry(generation), "{}"));
  }
  HistoryEntry confirmed = entry(5);
  confirmed.confirmation = Confirmation::kConfirmed;
  ASSERT_TRUE(store.write(confirmed, "{}"));
  store.forget_before(4);
  const auto found = store.read();
  ASSERT_EQ(found.entries.size(), 2u);
  EXPECT_EQ(found.entries[0].generation, 4u);
  EXPECT_EQ(found.entries[1].confirmation, Confirmation::kConfirmed);
  EXPECT_FALSE(store.configuration(3));
}

TEST_F(HistoryStoreTest, WhatIsTornIsLeftOutAndItsNumberStaysUsed) {
  HistoryStore store = open();
  const std::string configuration = R"({"pools":[1,2,3]})";
  for (uint64_t generation = 1; generation <= 3; ++generation) {
    ASSERT_TRUE(store.write(entry(generation), configuration));
  }
  const auto whole = std::filesystem::file_size(file(3));
  for (uintmax_t size = 0; size < whole; ++size) {
    std::filesystem::resize_file(file(3), size);
    const auto found = store.read();
    EXPECT_EQ(found.entries.size(), 2u) << size;
    EXPECT_EQ(found.unreadable.size(), 1u);
    EXPECT_EQ(found.last, 3u);
    EXPECT_FALSE(store.configuration(3));
    ASSERT_TRUE(store.write(entry(3), configuration)) << "it can be written again";
  }
  std::fstream(file(2), std::ios::in | std::ios::out).seekp(-4, std::ios::end) << "9";
  EXPECT_EQ(store.read().entries.size(), 2u) << "a byte that differs";
}

TEST_F(HistoryStoreTest, WhatIsNotItsOwnStaysOut) {
  HistoryStore store = open();
  ASSERT_TRUE(store.write(entry(1), "{}"));
  for (const char* const name : {"notes.json", "00000000000000000009.json.draft", "2.json"}) {
    std::ofstream(path_ + "/" + name) << "{}";
  }
  std::filesystem::create_directory(file(4));
  const auto found = store.read();
  EXPECT_EQ(found.entries.size(), 1u);
  EXPECT_EQ(found.last, 4u) << "whatever it is, its number is not given twice";
}

TEST_F(HistoryStoreTest, IsForItsOwnerAlone) {
  HistoryStore store = open();
  ASSERT_TRUE(store.write(entry(1), R"({"gateway":{"hash_key":"00"}})"));
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  ASSERT_EQ(::stat(file(1).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(HistoryStoreTest, TwoGatewaysNeverShareOne) {
  const HistoryStore store = open();
  const auto second = HistoryStore::open(path_);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another gateway"), std::string::npos);
}

TEST_F(HistoryStoreTest, SaysWhyNothingIsKept) {
  std::ofstream(directory_.file("file")) << "no directory";
  EXPECT_FALSE(HistoryStore::open(directory_.file("file/history")));
}

}  // namespace
}  // namespace sluice::ctrl
