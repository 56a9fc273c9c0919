#include "ctrl/observed/members.h"

#include <gtest/gtest.h>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/model_changes.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

Discovered entry(const std::string& address, uint32_t weight = 1) {
  return {{*IpAddress::parse(address), 8080}, weight};
}

/// Takes one configuration after another, as the Gateway does.
class MembersTest : public testing::Test {
 protected:
  MembersTest() {
    config_ = test::sample_config();
    config_["sources"] = {{{"name", "files"}, {"type", "file"}}};
    config_["pools"][0]["discover"] = {{"source", "files"}, {"path", "/targets.json"}};
    apply();
  }

  void apply() {
    auto next = parse_config(config_);
    ASSERT_TRUE(next);
    share_unchanged(model_, *next);
    members_.follow(model_, *next, members_.prepare(model_, *next), Moment::now());
    model_ = std::move(*next);
  }
  SourceWord word(SourceWord::Kind kind) const {
    SourceWord word{.pool = "web", .kind = kind, .seen = Moment::now()};
    word.asked = std::make_shared<const DiscoverModel>(*model_.pools.at("web")->discover);
    return word;
  }
  bool deliver(std::vector<Discovered> entries) {
    SourceWord said = word(SourceWord::Kind::kDelivered);
    said.entries = std::move(entries);
    return members_.take(std::move(said), model_, Moment::now());
  }
  const Member* find(const std::string& address) const {
    for (const Member& member : members_.lists().at("web")->members) {
      if (member.at.address == *IpAddress::parse(address)) return &member;
    }
    return nullptr;
  }
  SourceRow row() const { return members_.rows(model_).at(0); }

  json config_;
  Model model_;
  Members members_;
};

TEST_F(MembersTest, UnitesFileAndSource) {
  ASSERT_EQ(members_.lists().at("web")->members.size(), 3u);
  EXPECT_TRUE(deliver({entry("198.51.100.12", 9), entry("198.51.100.77", 4)}));
  EXPECT_EQ(members_.lists().at("web")->members.size(), 4u);
  EXPECT_EQ(find("198.51.100.12")->weight, 2u) << "the file beats the source";
  EXPECT_TRUE(find("198.51.100.12")->is_from_file);
  EXPECT_EQ(find("198.51.100.77")->weight, 4u);
  EXPECT_FALSE(find("198.51.100.77")->is_from_file);
  EXPECT_EQ(row().counts.updates, 1u);
  EXPECT_EQ(row().pools.at(0).instances, 2u);
}

TEST_F(MembersTest, TheSameAgainChangesNothing) {
  EXPECT_TRUE(deliver({entry("198.51.100.77")}));
  const auto list = members_.lists().at("web");
  EXPECT_FALSE(deliver({entry("198.51.100.77")}));
  EXPECT_EQ(members_.lists().at("web"), list);
  EXPECT_EQ(row().counts.updates, 1u);
}

TEST_F(MembersTest, AWordThatWasAskedForBeforeIsTooLate) {
  SourceWord late = word(SourceWord::Kind::kDelivered);
  late.entries = {entry("198.51.100.77")};
  config_["pools"][0]["discover"]["path"] = "/other.json";
  apply();
  EXPECT_FALSE(members_.take(std::move(late), model_, Moment::now()));
  EXPECT_EQ(find("198.51.100.77"), nullptr);
  EXPECT_EQ(row().state, SourceState::kConnecting);
}

TEST_F(MembersTest, AskingForSomethingElseKeepsWhatIsKnownUntilThatHasAnswered) {
  deliver({entry("198.51.100.77")});
  config_["pools"][0]["discover"]["path"] = "/other.json";
  apply();
  EXPECT_NE(find("198.51.100.77"), nullptr);
  deliver({entry("198.51.100.78")});
  EXPECT_EQ(find("198.51.100.77")->offer, Offer::kWithdrawn);
  EXPECT_EQ(find("198.51.100.78")->offer, Offer::kTakesFlows);
  members_.forget("web", {find("198.51.100.77")->at}, model_);
  EXPECT_EQ(find("198.51.100.77"), nullptr);
}

TEST_F(MembersTest, WithoutDiscoverTheFileAloneCounts) {
  deliver({entry("198.51.100.77")});
  config_["pools"][0].erase("discover");
  apply();
  EXPECT_EQ(members_.lists().at("web")->members.size(), 3u);
}

TEST_F(MembersTest, LeavesOutWhatThePoolCannotServe) {
  // The sample's service of pool web is IPv4 and full-nat; 198.51.100.1 is its SNAT address.
  deliver({entry("2001:db8::77"), entry("198.51.100.1"), entry("198.51.100.77"), entry("224.0.0.1")});
  EXPECT_EQ(members_.lists().at("web")->members.size(), 4u);
  EXPECT_NE(find("198.51.100.77"), nullptr);
  EXPECT_EQ(row().counts.unreadable, 3u);
  deliver({entry("2001:db8::77"), entry("198.51.100.1"), entry("198.51.100.78"), entry("224.0.0.1")});
  EXPECT_EQ(row().counts.unreadable, 3u) << "each once";
}

TEST_F(MembersTest, CountsEachUnreadableEntryOnce) {
  const auto say = [&](std::vector<std::string> names, size_t unreadable) {
    SourceWord said = word(SourceWord::Kind::kDelivered);
    said.unreadable = unreadable;
    said.unreadable_entries = std::move(names);
    members_.take(std::move(said), model_, Moment::now());
    return row().counts.unreadable;
  };
  EXPECT_EQ(say({"a", "b"}, 2), 2u);
  EXPECT_EQ(say({"a", "b"}, 2), 2u);
  EXPECT_EQ(say({"b", "c"}, 2), 3u);
  EXPECT_EQ(say({"b", "c"}, 12), 13u);
  EXPECT_EQ(say({"b", "c"}, 12), 13u);
}

TEST_F(MembersTest, SaysHowASourceFares) {
  EXPECT_EQ(row().state, SourceState::kConnecting);
  EXPECT_EQ(members_.unanswered(model_), std::vector<std::string>{"files"});
  SourceWord lost = word(SourceWord::Kind::kLost);
  lost.reason = "No such file or directory";
  EXPECT_FALSE(members_.take(lost, model_, Moment::now()));
  EXPECT_EQ(row().state, SourceState::kFailed);
  EXPECT_EQ(row().counts.errors, 1u);
  EXPECT_EQ(row().counts.last_error, "No such file or directory");
  deliver({entry("198.51.100.77")});
  EXPECT_EQ(row().state, SourceState::kSynced);
  EXPECT_TRUE(row().last_success);
  EXPECT_TRUE(members_.unanswered(model_).empty());
  members_.take(lost, model_, Moment::now());
  EXPECT_EQ(row().state, SourceState::kStale);
  EXPECT_NE(find("198.51.100.77"), nullptr);
}

TEST_F(MembersTest, SaysOnceWhatBecomesOfASource) {
  config_["pools"][0]["discover"]["guard"] = 0.2;
  apply();
  const auto told = [&] {
    std::vector<std::string> words;
    for (const SourceTransition& one : members_.take_transitions()) {
      EXPECT_EQ(one.source, "files");
      EXPECT_EQ(one.pool, "web");
      words.emplace_back(word_for(one.state));
      EXPECT_EQ(one.reason.empty(), one.state == SourceState::kSynced);
    }
    return words;
  };
  using Words = std::vector<std::string>;
  deliver({entry("198.51.100.71"), entry("198.51.100.72")});
  EXPECT_EQ(told(), Words{"synced"});
  deliver({entry("198.51.100.71"), entry("198.51.100.72")});
  EXPECT_EQ(told(), Words{}) << "it is as it was";
  deliver({});
  EXPECT_EQ(told(), Words{"held"});
  members_.release("files", std::nullopt, model_, Moment::now());
  EXPECT_EQ(told(), Words{"synced"});
  SourceWord lost = word(SourceWord::Kind::kLost);
  lost.reason = "connection refused";
  members_.take(std::move(lost), model_, Moment::now());
  EXPECT_EQ(told(), Words{"stale"});
}

TEST_F(MembersTest, ReleasesWhatIsHeld) {
  config_["pools"][0]["discover"]["guard"] = 0.2;
  apply();
  deliver({entry("198.51.100.77"), entry("198.51.100.78")});
  EXPECT_FALSE(deliver({}));
  EXPECT_TRUE(row().pools.at(0).is_held);
  EXPECT_EQ(row().state, SourceState::kHeld);
  EXPECT_TRUE(members_.release("files", "other", model_, Moment::now()).empty());
  EXPECT_EQ(members_.release("files", std::nullopt, model_, Moment::now()), std::vector<std::string>{"web"});
  EXPECT_EQ(find("198.51.100.77")->offer, Offer::kWithdrawn);
  EXPECT_EQ(members_.lists().at("web")->present, 3u);
}

}  // namespace
}  // namespace sluice::ctrl
