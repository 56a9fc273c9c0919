#include "ctrl/store/change_log.h"

#include <gtest/gtest.h>

#include <map>

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;

ChangeLog::Time at_time(int time) {
  return ChangeLog::Time(milliseconds(time));
}

class ChangeLogTest : public testing::Test {
 protected:
  void add(std::vector<Cause> causes, int published, std::vector<lb::BackendId> added = {}) {
    log_.add({std::move(causes), at_time(published - 1), at_time(published), std::move(added)}, flows_of_);
  }
  ChangeLog log_;
  std::map<lb::BackendId, uint64_t> flows_;
  const ChangeLog::FlowsOf flows_of_ = [this](lb::BackendId id) { return flows_[id]; };
};

TEST_F(ChangeLogTest, FollowsAChangeToItsFirstFlow) {
  flows_[7] = 40;  // of whoever had the number before
  add({{ChangeCause::kSource, "pool/web", at_time(0)}}, 10, {7});
  Change change = log_.list(10, std::nullopt).at(0);
  EXPECT_EQ(change.object, "pool/web");
  EXPECT_EQ(change.seen, at_time(0));
  EXPECT_EQ(change.compiled, at_time(9));
  EXPECT_EQ(change.published, at_time(10));
  EXPECT_FALSE(change.everywhere);
  log_.settle(at_time(12));
  log_.watch_flows(at_time(13), flows_of_);
  EXPECT_FALSE(log_.list(10, std::nullopt)[0].first_flow);
  ++flows_[7];
  log_.watch_flows(at_time(20), flows_of_);
  ++flows_[7];
  log_.watch_flows(at_time(30), flows_of_);
  change = log_.list(10, std::nullopt)[0];
  EXPECT_EQ(change.everywhere, at_time(12));
  EXPECT_EQ(change.first_flow, at_time(20));
  EXPECT_EQ(log_.seconds(ChangeCause::kSource).count, 1u);
  EXPECT_EQ(log_.seconds(ChangeCause::kSource).sum, 12'000'000u);
  EXPECT_EQ(log_.seconds(ChangeCause::kHealth).count, 0u);
}

TEST_F(ChangeLogTest, HasOneForEachCauseAndTheNewestFirst) {
  add({{ChangeCause::kConfig, "config/2", at_time(0)}, {ChangeCause::kSource, "source/etcd", at_time(1)}},
      10);
  add({{ChangeCause::kHealth, "backend/web/192.0.2.1:80", at_time(11)}}, 20);
  const auto all = log_.list(10, std::nullopt);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].cause, ChangeCause::kHealth);
  EXPECT_EQ(all[1].object, "source/etcd");
  EXPECT_GT(all[0].id, all[1].id);
  EXPECT_EQ(log_.list(2, std::nullopt).size(), 2u);
  ASSERT_EQ(log_.list(10, ChangeCause::kConfig).size(), 1u);
  EXPECT_EQ(log_.list(10, ChangeCause::kConfig)[0].object, "config/2");
  log_.settle(at_time(25));
  for (const Change& change : log_.list(10, std::nullopt)) EXPECT_EQ(change.everywhere, at_time(25));
}

TEST_F(ChangeLogTest, KeepsTheLastThousand) {
  for (int i = 0; i < 1500; ++i) add({{ChangeCause::kOperator, std::to_string(i), at_time(i)}}, i + 1);
  const auto kept = log_.list(5000, std::nullopt);
  ASSERT_EQ(kept.size(), ChangeLog::kKept);
  EXPECT_EQ(kept.front().object, "1499");
  EXPECT_EQ(kept.back().object, "500");
  log_.settle(at_time(2000));
  EXPECT_EQ(log_.seconds(ChangeCause::kOperator).count, ChangeLog::kKept);
}

TEST_F(ChangeLogTest, DoesNotWaitForAFirstFlowForEver) {
  add({{ChangeCause::kSource, "pool/web", at_time(0)}}, 1, {7});
  log_.watch_flows(at_time(120'000), flows_of_);
  ++flows_[7];
  log_.watch_flows(at_time(120'001), flows_of_);
  EXPECT_FALSE(log_.list(1, std::nullopt)[0].first_flow);
}

}  // namespace
}  // namespace sluice::ctrl
