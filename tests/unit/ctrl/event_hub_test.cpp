#include "ctrl/store/event_hub.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

class EventHubTest : public testing::Test {
 protected:
  /// A listener that takes what `answer` says, and keeps what it is given.
  uint64_t listen(EventKinds kinds = kAllEvents, EventSink sink = EventSink::kSocket) {
    return *hub_.listen(sink, kinds, [this](const Event* event) {
      if (event && answer_ == Notified::kTaken) heard_.push_back(*event->object);
      return answer_;
    });
  }
  void tick() { hub_.tick(now_ += std::chrono::seconds(2)); }

  EventHub hub_;
  std::vector<json> heard_;
  Notified answer_ = Notified::kTaken;
  Clock::time_point now_ = Clock::now();
};

TEST_F(EventHubTest, TellsWhoListensInOrder) {
  listen();
  const double before =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  hub_.tell(EventKind::kConfigApplied, {{"generation", 7}});
  hub_.tell(EventKind::kPortLink, {{"port", "edge0"}, {"up", false}});
  EXPECT_TRUE(heard_.empty()) << "it is passed on by the control thread alone";
  tick();
  ASSERT_EQ(heard_.size(), 2u);
  EXPECT_EQ(heard_[0]["kind"], "config_applied");
  EXPECT_EQ(heard_[0]["generation"], 7);
  EXPECT_NEAR(heard_[0]["time"].get<double>(), before, 60);
  EXPECT_EQ(heard_[1]["kind"], "port_link");
  EXPECT_EQ(heard_[1]["up"], false);
}

TEST_F(EventHubTest, TellsOnlyTheKindsThatAreWanted) {
  listen(bit_of(EventKind::kCapture) | bit_of(EventKind::kTunnelState));
  for (const EventKind kind : {EventKind::kPortLink, EventKind::kTunnelState, EventKind::kCapture}) {
    hub_.tell(kind, json::object());
  }
  tick();
  ASSERT_EQ(heard_.size(), 2u);
  EXPECT_EQ(heard_[0]["kind"], "tunnel_state");
  EXPECT_EQ(heard_[1]["kind"], "capture");
}

TEST_F(EventHubTest, TheTextIsTheObjectInOneLineWhateverBytesThereAre) {
  std::string text;
  (void)hub_.listen(EventSink::kSse, kAllEvents, [&](const Event* event) {
    if (event) text = event->text;
    return Notified::kTaken;
  });
  hub_.tell(EventKind::kBackendState, {{"reason", "a\nb\xff"}});
  tick();
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_TRUE(json::accept(text));
}

TEST_F(EventHubTest, SaysNothingOfWhatWasBeforeOrAfter) {
  hub_.tell(EventKind::kCapture, {{"number", 1}});
  EXPECT_FALSE(hub_.is_heard());
  const uint64_t number = listen();
  EXPECT_TRUE(hub_.is_heard());
  hub_.tell(EventKind::kCapture, {{"number", 2}});
  tick();
  hub_.end(number);
  hub_.tell(EventKind::kCapture, {{"number", 3}});
  tick();
  ASSERT_EQ(heard_.size(), 1u);
  EXPECT_EQ(heard_[0]["number"], 2);
  EXPECT_FALSE(hub_.is_heard());
}

TEST_F(EventHubTest, CountsWhatASlowListenerLosesBySink) {
  listen(kAllEvents, EventSink::kSse);
  answer_ = Notified::kFull;
  for (int i = 0; i < 3; ++i) hub_.tell(EventKind::kCapture, json::object());
  tick();
  EXPECT_EQ(hub_.dropped(EventSink::kSse), 3u);
  EXPECT_EQ(hub_.dropped(EventSink::kSocket), 0u);
  EXPECT_EQ(hub_.dropped(EventSink::kNats), 0u);
}

TEST_F(EventHubTest, IsBoundedAndCountsWhatFoundNoRoomForEveryListener) {
  listen(bit_of(EventKind::kCapture));
  listen(bit_of(EventKind::kCapture), EventSink::kNats);
  listen(bit_of(EventKind::kPortLink), EventSink::kSse);
  for (size_t i = 0; i < EventHub::kMostWaiting + 10; ++i) hub_.tell(EventKind::kCapture, json::object());
  for (size_t i = 0; i < 1000 && heard_.size() < 2 * EventHub::kMostWaiting; ++i) tick();
  EXPECT_EQ(heard_.size(), 2 * EventHub::kMostWaiting);
  EXPECT_EQ(hub_.dropped(EventSink::kSocket), 10u);
  EXPECT_EQ(hub_.dropped(EventSink::kNats), 10u);
  EXPECT_EQ(hub_.dropped(EventSink::kSse), 0u) << "it did not want them";
}

TEST_F(EventHubTest, ForgetsWhoIsGoneThoughNothingHappens) {
  for (size_t i = 0; i < EventHub::kMostListeners; ++i) listen();
  EXPECT_FALSE(hub_.listen(EventSink::kSocket, kAllEvents, [](const Event*) { return Notified::kTaken; }));
  answer_ = Notified::kGone;
  tick();
  EXPECT_FALSE(hub_.is_heard());
  answer_ = Notified::kTaken;
  listen();
  EXPECT_TRUE(hub_.is_heard());
}

TEST_F(EventHubTest, AListenerMayEndItselfWhileItIsTold) {
  uint64_t number = 0;
  int told = 0;
  number = *hub_.listen(EventSink::kSocket, kAllEvents, [&](const Event* event) {
    if (event != nullptr) ++told;
    hub_.end(number);
    return Notified::kTaken;
  });
  listen();
  hub_.tell(EventKind::kCapture, json::object());
  hub_.tell(EventKind::kCapture, json::object());
  tick();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(heard_.size(), 2u);
}

TEST_F(EventHubTest, AnyThreadMayTell) {
  listen();
  constexpr int kThreads = 4, kEach = 1000;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([this] {
      for (int i = 0; i < kEach; ++i) hub_.tell(EventKind::kCapture, {{"number", i}});
    });
  }
  for (int i = 0; i < 10; ++i) tick();
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 100; ++i) tick();
  EXPECT_EQ(heard_.size(), static_cast<size_t>(kThreads * kEach));
}

}  // namespace
}  // namespace sluice::ctrl
