#include "ctrl/observed/ejections.h"

#include <gtest/gtest.h>

#include <random>

#include "ctrl/intent/config_schema.h"
#include "tests/unit/ctrl/sample_config.h"
#include "tests/unit/ctrl/web_backend.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Time = Ejections::Time;

class EjectionsTest : public testing::Test {
 protected:
  static constexpr Time kStart = Time(std::chrono::hours(100));

  EjectionsTest() { set({{"failures", 3}, {"window", "10s"}, {"ejection", "30s"}, {"most", 0.5}}); }

  void set(const json& outlier) {
    json config = test::sample_config();
    config["pools"][0]["outlier"] = outlier;
    auto model = parse_config(config);
    ASSERT_TRUE(model);
    model_ = std::move(*model);
  }
  /// Who is ejected for signals at a time: `+` answers, whatever else fails.
  std::vector<Ejection> hear(int backend, const std::string& signals, milliseconds at = {}) {
    std::vector<BackendSignal> list;
    for (const char each : signals)
      list.push_back({web(backend), each == '+' ? "" : "a RST for a SYN", kStart + at});
    return ejections_.hear(model_, list, kStart + at, [this](const std::string&) { return members_; });
  }
  std::vector<Ejection> release(milliseconds at) { return ejections_.release(model_, kStart + at); }

  Ejections ejections_;
  Model model_;
  size_t members_ = 3;
};

TEST_F(EjectionsTest, EjectsAfterSoManyInARow) {
  EXPECT_TRUE(hear(11, "--").empty());
  EXPECT_TRUE(hear(11, "+--").empty());
  EXPECT_TRUE(hear(12, "--").empty());
  const auto ejected = hear(11, "-", seconds(2));
  ASSERT_EQ(ejected.size(), 1u);
  EXPECT_EQ(ejected[0].backend, web(11));
  EXPECT_EQ(ejected[0].reason, "ejected: 3 failures in a row in 2s, at last a RST for a SYN; for 30s");
  EXPECT_TRUE(ejections_.has_ejected());
  EXPECT_TRUE(hear(11, "-----", seconds(3)).empty());  // it is out already
  EXPECT_TRUE(release(milliseconds(31'999)).empty());
  const auto back = release(seconds(32));
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].reason, "");
  EXPECT_FALSE(ejections_.has_ejected());
}

TEST_F(EjectionsTest, OnlyWithinTheWindow) {
  EXPECT_TRUE(hear(11, "--").empty());
  EXPECT_TRUE(hear(11, "-", milliseconds(10'001)).empty());
  EXPECT_TRUE(hear(11, "-", milliseconds(10'002)).empty());
  EXPECT_EQ(hear(11, "-", milliseconds(20'001)).size(), 1u);  // the last three are within 10 s
}

TEST_F(EjectionsTest, NeverMoreThanItMayRoundedDown) {
  EXPECT_EQ(hear(11, "---").size(), 1u);
  EXPECT_TRUE(hear(12, "------").empty());  // half of three is one
  release(seconds(30));
  EXPECT_EQ(hear(12, "-", seconds(1)).size(), 1u);  // its row has not ended
  members_ = 100;
  set({{"failures", 1}, {"most", 0.29}});
  size_t ejected = 1;
  for (int number = 20; number < 120; ++number) ejected += hear(number, "-", seconds(31)).size();
  EXPECT_EQ(ejected, 29u);
  set({{"failures", 1}, {"most", 0}});
  release(minutes(30));
  EXPECT_TRUE(hear(11, "-----", minutes(31)).empty());
}

TEST_F(EjectionsTest, EachTimeLongerUntilTenMinutesWithout) {
  milliseconds now{};
  for (int times = 1; times <= 12; ++times) {
    EXPECT_EQ(hear(11, "---", now).size(), 1u);
    const auto length = seconds(30) * std::min(times, 10);
    EXPECT_TRUE(release(now + length - milliseconds(1)).empty()) << times;
    now += length;
    EXPECT_EQ(release(now).size(), 1u) << times;
  }
  now += minutes(10);
  EXPECT_EQ(hear(11, "---", now).size(), 1u);
  EXPECT_EQ(release(now + seconds(30)).size(), 1u);
}

TEST_F(EjectionsTest, EndsWithItsRule) {
  EXPECT_EQ(hear(11, "---").size(), 1u);
  model_ = *parse_config(test::sample_config());
  EXPECT_EQ(release(seconds(1)).size(), 1u);
  EXPECT_TRUE(hear(11, "---").empty());
}

TEST_F(EjectionsTest, ForgetsWhoIsGone) {
  hear(11, "---");
  ejections_.forget_unless([](const BackendKey&) { return false; });
  EXPECT_FALSE(ejections_.has_ejected());
}

}  // namespace
}  // namespace sluice::ctrl
