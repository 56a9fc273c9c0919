#include "ctrl/log/repeat_filter.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

using namespace std::chrono_literals;
constexpr auto kMost = RepeatFilter::kBurst;

class RepeatFilterTest : public testing::Test {
 protected:
  /// How many of `times` such lines are written.
  uint64_t written(const std::string& text, uint64_t times, int tag = 0) {
    uint64_t count = 0;
    for (uint64_t i = 0; i < times; ++i) count += filter_.take(text, tag, now_) ? 1 : 0;
    return count;
  }

  RepeatFilter filter_;
  RepeatFilter::Time now_{1000s};
};

TEST_F(RepeatFilterTest, WritesTheFirstFewAndTellsOfTheRest) {
  EXPECT_EQ(written("again", 100), kMost);
  EXPECT_TRUE(filter_.settle(now_ + 9s).empty()) << "not before the interval is over";
  const auto over = filter_.settle(now_ + 10s);
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].text, "again");
  EXPECT_EQ(over[0].left_out, 100 - kMost);
  EXPECT_TRUE(filter_.settle(now_ + 20s).empty()) << "told once";
  EXPECT_EQ(filter_.left_out(), 100 - kMost);
}

TEST_F(RepeatFilterTest, BeginsAnewOnceTheIntervalIsOver) {
  written("again", 100);
  now_ += 10s;
  EXPECT_EQ(written("again", 100), kMost);
  const auto over = filter_.settle(now_, true);
  ASSERT_EQ(over.size(), 2u) << "of both intervals";
  EXPECT_EQ(over[0].left_out + over[1].left_out, 2 * (100 - kMost));
}

TEST_F(RepeatFilterTest, TellsOtherTextsAndTagsApart) {
  EXPECT_EQ(written("one", 3) + written("two", 3) + written("one", 3, 7), 9u);
  written("one", 10, 7);
  const auto over = filter_.settle(now_, true);
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].tag, 7);
  EXPECT_EQ(over[0].left_out, 13 - kMost);
}

TEST_F(RepeatFilterTest, SaysNothingOfWhatWasNotLeftOut) {
  written("few", kMost);
  EXPECT_TRUE(filter_.settle(now_, true).empty());
}

TEST_F(RepeatFilterTest, IsBoundedAndLosesNoCount) {
  uint64_t all = 0, passed = 0;
  for (int i = 0; i < 1000; ++i) {
    passed += written("line " + std::to_string(i), 7);
    all += 7;
  }
  uint64_t told = 0;
  for (const auto& line : filter_.settle(now_, true)) told += line.left_out;
  EXPECT_EQ(told, all - passed);
  EXPECT_EQ(passed, 1000 * kMost);
}

TEST_F(RepeatFilterTest, WritesWhatIsTooLongToRemember) {
  EXPECT_EQ(written(std::string(RepeatFilter::kLongest + 1, 'x'), 100), 100u);
}

}  // namespace
}  // namespace sluice::ctrl
