#include "ctrl/source/source_set.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "ctrl/intent/config_schema.h"
#include "ctrl/source/source_inbox.h"
#include "tests/unit/ctrl/sample_config.h"
#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using Kind = SourceWord::Kind;

/// Files, followed by the real source on its real thread.
class SourceSetTest : public testing::Test {
 protected:
  ~SourceSetTest() override { sources_.reset(); }

  std::string path() const { return directory_.file("web.json"); }
  void write(const std::string& text) { std::ofstream(path(), std::ios::trunc) << text; }
  /// As configuration management does it.
  void replace(const std::string& text) {
    std::ofstream(path() + ".new") << text;
    std::filesystem::rename(path() + ".new", path());
  }
  void follow(const json& discover = nullptr) {
    json config = test::sample_config();
    config["sources"] = {{{"name", "files"}, {"type", "file"}}};
    config["pools"][0]["discover"] =
        discover.is_null() ? json{{"source", "files"}, {"path", path()}} : discover;
    const auto model = parse_config(config);
    ASSERT_TRUE(model);
    sources_->follow(*model);
  }
  /// The next word of that kind; others are passed over.
  SourceWord next(Kind kind) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      for (SourceWord& word : inbox_.take().words) {
        if (word.kind == kind) return std::move(word);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << "nothing was said";
    return {};
  }
  /// Waits until it is lost for that reason. One event may have it read twice, so that others may come
  /// before.
  void await_loss(const std::string& why) {
    while (!HasFailure() && next(Kind::kLost).reason.find(why) == std::string::npos) {
    }
  }
  std::vector<std::string> next_addresses() {
    std::vector<std::string> addresses;
    for (const Discovered& one : next(Kind::kDelivered).entries)
      addresses.push_back(one.at.address.to_string());
    return addresses;
  }
  static std::string group(const std::string& targets) { return "[{\"targets\": [" + targets + "]}]"; }

  TemporaryDirectory directory_;
  SourceInbox inbox_;
  std::unique_ptr<SourceSet> sources_ =
      std::make_unique<SourceSet>([this](SourceWord word) { inbox_.add(std::move(word)); });
};

using Addresses = std::vector<std::string>;

TEST_F(SourceSetTest, FollowsAFileThroughItsLife) {
  follow();
  await_loss("No such file");
  write(group("\"198.51.100.21:80\""));
  EXPECT_EQ(next_addresses(), Addresses{"198.51.100.21"});
  replace(group("\"198.51.100.21:80\", \"198.51.100.22:80\""));
  EXPECT_EQ(next_addresses(), (Addresses{"198.51.100.21", "198.51.100.22"}));
  write("[{\"targets\": [\"198.51");
  await_loss("line");
  write("");
  await_loss("empty");
  write("[]");
  EXPECT_EQ(next_addresses(), Addresses{});
  std::filesystem::remove(path());
  await_loss("No such file");
  write(group("\"198.51.100.23:80\""));
  EXPECT_EQ(next_addresses(), Addresses{"198.51.100.23"});
}

TEST_F(SourceSetTest, FollowsALinkThatIsTurned) {
  const auto targets = [&](const char* name) { return directory_.file(name); };
  std::ofstream(targets("a")) << group("\"198.51.100.21:80\"");
  std::ofstream(targets("b")) << group("\"198.51.100.22:80\"");
  std::filesystem::create_symlink("a", path());
  follow();
  EXPECT_EQ(next_addresses(), Addresses{"198.51.100.21"});
  std::filesystem::create_symlink("b", path() + ".new");
  std::filesystem::rename(path() + ".new", path());
  EXPECT_EQ(next_addresses(), Addresses{"198.51.100.22"});
}

TEST_F(SourceSetTest, SaysThatAFileHoldsStill) {
  write(group("\"198.51.100.21:80\""));
  follow();
  EXPECT_EQ(next_addresses(), Addresses{"198.51.100.21"});
  next(Kind::kConfirmed);
}

TEST_F(SourceSetTest, WaitsForNoPipe) {
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  follow();
  EXPECT_NE(next(Kind::kLost).reason.find("is no file"), std::string::npos);
}

TEST_F(SourceSetTest, ResolvesNames) {
  write(group("\"localhost:80\", \"198.51.100.21:80\""));
  follow();
  const auto addresses = next_addresses();
  EXPECT_NE(std::ranges::find(addresses, "127.0.0.1"), addresses.end());
  EXPECT_NE(std::ranges::find(addresses, "198.51.100.21"), addresses.end());
}

TEST_F(SourceSetTest, ANameThatIsNowhereIsLeftOut) {
  write(group("\"nobody.invalid:80\", \"198.51.100.21:80\""));
  follow();
  SourceWord word = next(Kind::kDelivered);
  ASSERT_EQ(word.entries.size(), 1u);
  EXPECT_EQ(word.unreadable, 1u);
  EXPECT_TRUE(word.unreadable_entries.at(0).starts_with("nobody.invalid: "));
}

TEST_F(SourceSetTest, WhatIsAskedForChangesWithTheConfiguration) {
  write(group("\"198.51.100.21:80\""));
  std::ofstream(directory_.file("other.json")) << group("\"198.51.100.22:80\"");
  follow();
  EXPECT_EQ(next_addresses(), Addresses{"198.51.100.21"});
  follow({{"source", "files"}, {"path", directory_.file("other.json")}});
  EXPECT_EQ(next_addresses(), Addresses{"198.51.100.22"});
  const auto model = parse_config(test::sample_config());
  sources_->follow(*model);
  inbox_.take();
  write(group("\"198.51.100.23:80\""));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_TRUE(inbox_.take().words.empty());
}

TEST(SourceInbox, KeepsTheNewestSnapshotOfAPoolAlone) {
  SourceInbox inbox;
  const auto say = [&](const char* pool, Kind kind, size_t repaired = 0) {
    SourceWord word{.pool = pool, .kind = kind};
    word.repaired = repaired;
    return inbox.add(std::move(word));
  };
  EXPECT_TRUE(say("a", Kind::kDelivered, 1));
  EXPECT_FALSE(say("a", Kind::kConfirmed));
  EXPECT_FALSE(say("a", Kind::kLost));
  EXPECT_FALSE(say("a", Kind::kDelivered, 2));
  EXPECT_FALSE(say("b", Kind::kConfirmed));
  for (int i = 0; i < 1000; ++i) say("b", Kind::kLost);
  const auto words = inbox.take().words;
  ASSERT_GE(words.size(), 3u);
  EXPECT_LE(words.size(), 20u);
  EXPECT_EQ(words[0].kind, Kind::kLost);
  EXPECT_EQ(words[1].kind, Kind::kDelivered);
  EXPECT_EQ(words[1].repaired, 3u);
  EXPECT_TRUE(say("a", Kind::kConfirmed));
}

TEST(SourceInbox, GivesALargeUpdateInPartsAndNobodyWaitsForThePoolsThatChangeAgain) {
  SourceInbox inbox;
  const auto name = [](int number) { return "pool-" + std::to_string(1000 + number); };
  const auto say = [&](int number) {
    inbox.add({.pool = name(number), .kind = Kind::kDelivered, .entries = std::vector<Discovered>(100)});
  };
  for (int number = 0; number < 100; ++number) say(number);
  std::vector<std::string> order;
  for (bool has_more = true; has_more;) {
    const auto taken = inbox.take();
    EXPECT_LE(taken.words.size(), 40u);
    for (const SourceWord& word : taken.words) order.push_back(word.pool);
    has_more = taken.has_more;
    if (order.size() < 90) say(0);  // again and again
  }
  std::vector<std::string> wanted;
  for (int number = 0; number < 100; ++number) wanted.push_back(name(number));
  wanted.push_back(name(0));
  EXPECT_EQ(order, wanted);
  EXPECT_TRUE(inbox.take().words.empty());
}

TEST(SourceInbox, HasASmallPoolOvertakeAFlood) {
  SourceInbox inbox;
  const auto say = [&](const std::string& pool, size_t entries) {
    inbox.add({.pool = pool, .kind = Kind::kDelivered, .entries = std::vector<Discovered>(entries)});
  };
  const auto taken_pools = [&] {
    std::vector<std::string> pools;
    for (const SourceWord& word : inbox.take().words) pools.push_back(word.pool);
    return pools;
  };
  for (int number = 0; number < 200; ++number) say("pool-" + std::to_string(number), 100);
  say("web", 2);
  EXPECT_EQ(taken_pools().front(), "web");
  // Small ones that change without end leave room for the others.
  std::set<std::string> others;
  for (int round = 0; round < 10; ++round) {
    for (int number = 0; number < 200; ++number) say("small-" + std::to_string(number), 9);
    for (const std::string& pool : taken_pools()) {
      if (pool.starts_with("pool-")) others.insert(pool);
    }
  }
  EXPECT_EQ(others.size(), 160u);  // 40 were taken with the first
}

TEST(SourceInbox, GivesAPoolThatIsLargerThanAPartWhole) {
  SourceInbox inbox;
  inbox.add({.pool = "a", .kind = Kind::kDelivered, .entries = std::vector<Discovered>(100'000)});
  inbox.add({.pool = "b", .kind = Kind::kConfirmed});
  inbox.add({.pool = "c", .kind = Kind::kDelivered, .entries = std::vector<Discovered>(100'000)});
  const auto first = inbox.take();
  ASSERT_EQ(first.words.size(), 2u);
  EXPECT_EQ(first.words[0].pool, "b");
  EXPECT_EQ(first.words[1].pool, "a");
  EXPECT_EQ(first.words[1].entries.size(), 100'000u);
  EXPECT_TRUE(first.has_more);
  EXPECT_EQ(inbox.take().words.size(), 1u);
}

}  // namespace
}  // namespace sluice::ctrl
