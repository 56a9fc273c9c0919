#include "ctrl/log/notice_log.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::ctrl {
namespace {

using dataplane::Notice;
using dataplane::NoticeKind;
using std::chrono::seconds;

class NoticeLogTest : public testing::Test {
 protected:
  static Notice moved(uint8_t host) {
    return {NoticeKind::kNeighborChanged, 0, IpAddress::v4(Be32::from_host(0xc0000200u + host)),
            MacAddress{{2, 0, 0, 0, 0, 1}}, MacAddress{{2, 0, 0, 0, 0, 2}}};
  }

  std::vector<std::string> lines_;
  NoticeLog log_{[this](const std::string& line) { lines_.push_back(line); }};
  NoticeLog::Time now_{};
};

TEST_F(NoticeLogTest, SaysWhatHappened) {
  log_.add(moved(7), "core0", now_);
  log_.add(
      {NoticeKind::kAddressConflict, 0, *IpAddress::parse("fd10::1"), {}, MacAddress{{2, 0, 0, 0, 0, 9}}},
      "edge0", now_);
  EXPECT_EQ(lines_,
            (std::vector<std::string>{
                "port \"core0\": neighbor 192.0.2.7 moved from 02:00:00:00:00:01 to 02:00:00:00:00:02",
                "port \"edge0\": 02:00:00:00:00:09 claims our address fd10::1"}));
}

TEST_F(NoticeLogTest, SaysWhatSeveralWorkersNoticeOnce) {
  for (int worker = 0; worker < 4; ++worker) log_.add(moved(7), "core0", now_);
  EXPECT_EQ(lines_.size(), 1u);
  log_.add(moved(7), "core0", now_ + NoticeLog::kInterval);
  EXPECT_EQ(lines_.size(), 2u);
}

TEST_F(NoticeLogTest, IsBounded) {
  for (uint8_t host = 0; host < 100; ++host) log_.add(moved(host), "core0", now_);
  EXPECT_EQ(lines_.size(), NoticeLog::kMostLines);
  log_.tick(now_ + seconds(1));
  EXPECT_EQ(lines_.size(), NoticeLog::kMostLines);
  log_.tick(now_ + NoticeLog::kInterval);
  ASSERT_EQ(lines_.size(), NoticeLog::kMostLines + 1);
  EXPECT_EQ(lines_.back(), "80 more notices of neighbors and addresses were left out");
}

}  // namespace
}  // namespace sluice::ctrl
