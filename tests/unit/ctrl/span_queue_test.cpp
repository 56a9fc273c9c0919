#include "ctrl/store/span_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "ctrl/store/change_spans.h"

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;

Span::Time at(int time) {
  return Span::Time(milliseconds(time));
}

class Spans : public testing::Test {
 protected:
  Spans() { queue_->turn(true); }
  std::map<std::string, std::vector<Span>> taken() {
    std::map<std::string, std::vector<Span>> by_name;
    for (Span& span : queue_->take(100'000)) by_name[span.name].push_back(std::move(span));
    return by_name;
  }
  const std::shared_ptr<SpanQueue> queue_ = std::make_shared<SpanQueue>();
};

TEST_F(Spans, EndWhenTheLastLetsGo) {
  auto span = queue_->open("a", at(1));
  auto other = span;
  span->set("key", std::string("first"));
  other->set("key", std::string("second"));
  span->reach(at(9));
  other->reach(at(5));
  span.reset();
  EXPECT_EQ(queue_->waiting(), 0u);
  other.reset();
  const auto spans = queue_->take(10);
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0].start, at(1));
  EXPECT_EQ(spans[0].end, at(9));
  EXPECT_EQ(spans[0].parent, SpanId{});
  EXPECT_NE(spans[0].trace, TraceId{});
  ASSERT_EQ(spans[0].attributes.size(), 1u);
  EXPECT_EQ(std::get<std::string>(spans[0].attributes[0].second), "second");
}

TEST_F(Spans, GoOnWithTheTraceOfWhoAsks) {
  const auto theirs = *parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  {
    const auto span = queue_->open("a", at(1), theirs, SpanKind::kServer);
    span->add_step("step", at(1), at(2));
    (void)queue_->open("below", at(2), span->context());
  }
  auto spans = taken();
  const Span& parent = spans["a"].at(0);
  EXPECT_EQ(parent.trace, theirs.trace);
  EXPECT_EQ(parent.parent, theirs.span);
  EXPECT_EQ(parent.kind, SpanKind::kServer);
  for (const char* const name : {"step", "below"}) {
    EXPECT_EQ(spans[name].at(0).trace, theirs.trace);
    EXPECT_EQ(spans[name].at(0).parent, parent.id);
  }
}

TEST_F(Spans, OfWhatIsNotSampledAreNotRecordedNorIsWhatIsBelow) {
  const auto theirs = parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
  {
    const auto span = queue_->open("a", at(1), theirs);
    span->add_step("step", at(1), at(2));
    (void)queue_->open("below", at(2), span->context());
  }
  EXPECT_EQ(queue_->waiting(), 0u);
}

TEST_F(Spans, AreNothingWhereNobodyWantsThem) {
  auto open = queue_->open("a", at(1));
  queue_->turn(false);
  EXPECT_EQ(queue_->open("b", at(1)), nullptr);
  open.reset();
  queue_->add({.name = "c", .start = at(1), .end = at(2)});
  EXPECT_EQ(queue_->waiting(), 0u);
  for (const auto result : {SpanResult::kExported, SpanResult::kDropped, SpanResult::kFailed}) {
    EXPECT_EQ(queue_->counted(result), 0u);
  }
}

TEST_F(Spans, ThatFindNoRoomAreCounted) {
  int news = 0;
  queue_->on_news([&] { ++news; });
  constexpr size_t kMade = SpanQueue::kMostWaiting + 77;
  for (size_t i = 0; i < kMade; ++i) queue_->add({.name = "a", .start = at(1), .end = at(2)});
  EXPECT_EQ(news, 1);
  EXPECT_EQ(queue_->waiting(), SpanQueue::kMostWaiting);
  EXPECT_EQ(queue_->counted(SpanResult::kDropped), 77u);
  EXPECT_EQ(queue_->take(10).size(), 10u);
  queue_->drop_waiting();
  EXPECT_EQ(queue_->counted(SpanResult::kDropped), kMade - 10);
}

TEST_F(Spans, HaveIdsOfTheirOwn) {
  for (int i = 0; i < 1000; ++i) queue_->add({.name = "a", .start = at(1), .end = at(2)});
  std::set<TraceId> traces;
  std::set<SpanId> ids;
  for (const Span& span : queue_->take(1000)) {
    traces.insert(span.trace);
    ids.insert(span.id);
  }
  EXPECT_EQ(traces.size(), 1000u);
  EXPECT_EQ(ids.size(), 1000u);
}

/// Three workers, which take publications up one after another.
class Changes : public Spans {
 protected:
  void publish(uint64_t number, int published) {
    changes_.add({.change = queue_->open("config.apply", at(published - 3)),
                  .compile_began = at(published - 2),
                  .compiled = at(published - 1),
                  .published = at(published),
                  .publication = number,
                  .workers = 3,
                  .tables = 40 + number});
  }
  void settle(int now) {
    changes_.settle(at(now), [this](unsigned worker) { return taken_.at(worker); });
  }
  ChangeSpans changes_;
  std::vector<uint64_t> taken_ = {1, 1, 1};
};

TEST_F(Changes, EndWithTheLastWorkerThatTakesThemUp) {
  publish(2, 10);
  settle(11);
  taken_ = {2, 1, 2};
  settle(12);
  EXPECT_TRUE(changes_.is_waiting());
  taken_ = {2, 2, 2};
  settle(15);
  EXPECT_FALSE(changes_.is_waiting());
  auto spans = taken();
  const Span& change = spans["config.apply"].at(0);
  EXPECT_EQ(change.start, at(7));
  EXPECT_EQ(change.end, at(15));
  EXPECT_EQ(spans["config.compile"].at(0).start, at(8));
  EXPECT_EQ(spans["config.compile"].at(0).end, at(9));
  EXPECT_EQ(spans["config.publish"].at(0).end, at(10));
  ASSERT_EQ(spans["config.worker"].size(), 3u);
  std::map<int64_t, Span::Time> ends;
  for (const Span& worker : spans["config.worker"]) {
    EXPECT_EQ(worker.parent, change.id);
    EXPECT_EQ(worker.start, at(10));
    EXPECT_FALSE(worker.has_failed);
    ends[std::get<int64_t>(worker.attributes.at(0).second)] = worker.end;
  }
  EXPECT_EQ(ends, (std::map<int64_t, Span::Time>{{0, at(12)}, {1, at(15)}, {2, at(12)}}));
}

TEST_F(Changes, AreOverForAWorkerThatHasTakenALaterOne) {
  publish(2, 10);
  publish(3, 20);
  taken_ = {3, 3, 3};
  settle(22);
  EXPECT_FALSE(changes_.is_waiting());
  EXPECT_EQ(taken()["config.worker"].size(), 6u);
}

TEST_F(Changes, FailOnAWorkerThatDoesNotComeRound) {
  publish(2, 10);
  taken_ = {2, 2, 1};
  settle(11);
  settle(10 + 10'000);
  EXPECT_TRUE(changes_.is_waiting());
  settle(10 + 10'001);
  EXPECT_FALSE(changes_.is_waiting());
  int failed = 0;
  for (const Span& worker : taken()["config.worker"]) failed += worker.has_failed ? 1 : 0;
  EXPECT_EQ(failed, 1);
}

}  // namespace
}  // namespace sluice::ctrl
