// The sequence numbers of ESP, shared by workers: beside plain twins.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "dataplane/esp/esp_format.h"
#include "dataplane/esp/replay_window.h"
#include "dataplane/esp/sequence_leases.h"

namespace sluice::dataplane {
namespace {

/// RFC 4303, 3.4.3, word for word: a set of what was accepted.
class NaiveWindow {
 public:
  NaiveWindow(uint64_t size, uint64_t floor) : size_(size), floor_(floor), highest_(floor) {}
  bool accept(uint64_t number) {
    if (number == 0 || number <= floor_ || number + size_ <= highest_) return false;
    if (!taken_.insert(number).second) return false;
    highest_ = std::max(highest_, number);
    return true;
  }
  uint64_t highest() const { return highest_; }

 private:
  uint64_t size_, floor_, highest_;
  std::set<uint64_t> taken_;
};

TEST(ReplayWindow, AcceptsWhatASetOfNumbersWould) {
  for (const uint32_t size : {32u, 64u, 100u, 1024u}) {
    for (const uint64_t floor : {uint64_t{0}, uint64_t{77}, (uint64_t{1} << 32) - 3}) {
      std::atomic<uint64_t> highest = floor;
      ReplayWindow window(size, highest);
      NaiveWindow naive(size, floor);
      std::mt19937_64 random(size);
      for (int i = 0; i < 20'000; ++i) {
        const uint64_t ahead = random() % 50 == 0 ? random() % (4 * size) : random() % 3;
        const uint64_t back = random() % (2 * size);
        const uint64_t top = naive.highest() + ahead;
        const uint64_t number = random() % 3 == 0 ? top : top - std::min(top, back);
        const bool may = window.may_accept(number);
        const bool expected = naive.accept(number);
        EXPECT_TRUE(may || !expected);
        ASSERT_EQ(window.accept(number), expected) << number << " of " << naive.highest();
        ASSERT_EQ(window.highest(), naive.highest());
        EXPECT_FALSE(window.may_accept(number));
      }
    }
  }
}

TEST(ReplayWindow, RefusesAReplayAtEveryPlaceOfTheWindow) {
  std::atomic<uint64_t> highest = 0;
  ReplayWindow window(1024, highest);
  for (uint64_t number = 1; number <= 3000; ++number) ASSERT_TRUE(window.accept(number));
  for (uint64_t number = 0; number <= 3000; ++number) EXPECT_FALSE(window.accept(number)) << number;
}

TEST(ReplayWindow, TakesWhatIsLateByTheWholeWindowAndNothingLater) {
  std::atomic<uint64_t> highest = 0;
  ReplayWindow window(64, highest);
  ASSERT_TRUE(window.accept(1000));
  EXPECT_TRUE(window.accept(1000 - 63));
  EXPECT_FALSE(window.accept(1000 - 64));
}

TEST(ReplayWindow, TakesNothingThatWasAcceptedBefore) {
  std::atomic<uint64_t> highest = 0;
  for (uint64_t number = 1; number <= 500; ++number) {
    ReplayWindow window(1024, highest);  // a restart for each
    for (uint64_t old = 1; old < number; ++old) ASSERT_FALSE(window.accept(old));
    ASSERT_TRUE(window.accept(number));
  }
}

TEST(ReplayWindow, IsExactForSeveralWorkers) {
  constexpr unsigned kWorkers = 4;
  constexpr uint64_t kNumbers = 60'000;
  std::atomic<uint64_t> highest = 0;
  ReplayWindow window(4096, highest);
  std::vector<std::atomic<uint32_t>> accepted(kNumbers + 64);
  std::vector<std::thread> workers;
  for (unsigned worker = 0; worker < kWorkers; ++worker) {
    workers.emplace_back([&, worker] {
      // All see all packets, each in an order of its own.
      for (uint64_t i = 64; i < kNumbers; ++i) {
        const uint64_t number = (i & ~uint64_t{63}) | ((i * (2 * worker + 1)) & 63);
        if (window.accept(number)) accepted[number].fetch_add(1);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  uint64_t all = 0;
  for (const auto& times : accepted) {
    ASSERT_LE(times.load(), 1u);
    all += times.load();
  }
  EXPECT_GT(all, kNumbers / 2) << "most are accepted by whoever comes first";
}

/// RFC 4303, A2.2, as it stands there.
uint64_t by_appendix(uint32_t low, uint64_t highest, uint32_t window) {
  const auto top_low = static_cast<uint32_t>(highest);
  const uint64_t top_high = highest >> 32;
  if (top_low >= window - 1) {
    return (low >= top_low - window + 1 ? top_high : top_high + 1) << 32 | low;
  }
  return (low >= top_low - window + 1 ? top_high - 1 : top_high) << 32 | low;
}

TEST(ExtendedNumber, IsThatOfTheAppendix) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t highest = (uint64_t{1} << 32) + random() % (uint64_t{1} << 34);
    const auto low = random() % 2 == 0 ? static_cast<uint32_t>(random())
                                       : static_cast<uint32_t>(highest + random() % 2000 - 1000);
    ASSERT_EQ(extended_number(low, highest, 1024), by_appendix(low, highest, 1024)) << highest << " " << low;
  }
  EXPECT_EQ(extended_number(UINT32_MAX, 5, 1024), UINT32_MAX) << "there is nothing before the first subspace";
  EXPECT_EQ(extended_number(0, UINT32_MAX, 64), uint64_t{1} << 32) << "after the last of one comes the next";
}

TEST(SequenceLeases, GivesEachNumberOnceAndNoneBeyondItsEnd) {
  SequenceLeases leases(2, 10, 100);
  std::set<uint64_t> all;
  while (const auto first = leases.take(7)) {
    for (uint64_t number = *first; number < *first + 7; ++number) {
      EXPECT_TRUE(all.insert(number).second);
      EXPECT_LT(number, 100u);
    }
  }
  EXPECT_EQ(*all.begin(), 10u);
  EXPECT_LE(leases.next(), 100u) << "what finds nothing takes nothing of what comes";
  leases.extend(200);
  EXPECT_TRUE(leases.take(7));
}

TEST(SequenceLeases, HoldsBackWhoWouldBeTooFarAhead) {
  SequenceLeases leases(2, 1, 1'000'000);
  const uint64_t mine = *leases.take(1);
  ASSERT_EQ(leases.depart(0, mine, 1), SequenceLeases::Departure::kNow);
  // Another worker goes on while this one is about to send.
  for (uint64_t number = mine + 1; number <= mine + SequenceLeases::kMostBehind; ++number) {
    ASSERT_FALSE(leases.has_to_wait(1, 1));
    ASSERT_EQ(leases.take(1), number);
    ASSERT_EQ(leases.depart(1, number, 1), SequenceLeases::Departure::kNow);
    leases.left(1);
  }
  EXPECT_TRUE(leases.has_to_wait(1, 1));
  EXPECT_FALSE(leases.has_to_wait(0, 1)) << "for nobody but others";
  const uint64_t beyond = *leases.take(1);
  EXPECT_EQ(leases.depart(1, beyond, 1), SequenceLeases::Departure::kLater);
  leases.left(0);
  EXPECT_FALSE(leases.has_to_wait(1, 1));
  EXPECT_EQ(leases.depart(1, beyond, 1), SequenceLeases::Departure::kNow);
}

TEST(SequenceLeases, TellsWhoIsTooFarBehind) {
  SequenceLeases leases(2, 1, 1'000'000);
  const uint64_t mine = *leases.take(1);
  for (int i = 0; i < 65; ++i) leases.take(1);
  EXPECT_EQ(leases.depart(0, mine, 1), SequenceLeases::Departure::kStale);
}

TEST(SequenceLeases, NoNumberLeavesFarBehindTheHighest) {
  constexpr unsigned kWorkers = 3;
  SequenceLeases leases(kWorkers, 1, UINT64_MAX / 2);
  std::vector<uint64_t> sent(300'000);
  std::atomic<size_t> place = 0;
  std::vector<std::thread> workers;
  for (unsigned worker = 0; worker < kWorkers; ++worker) {
    workers.emplace_back([&, worker] {
      while (place.load() < sent.size()) {
        const unsigned count = leases.most();
        const uint64_t first = *leases.take(count);
        if (leases.depart(worker, first, count) != SequenceLeases::Departure::kNow) continue;
        for (unsigned i = 0; i < count; ++i) {
          const size_t at = place.fetch_add(1);
          if (at < sent.size()) sent[at] = first + i;
        }
        leases.left(worker);
      }
    });
  }
  for (std::thread& thread : workers) thread.join();
  uint64_t highest = 0;
  std::set<uint64_t> all;
  for (const uint64_t number : sent) {
    ASSERT_LE(highest, number + SequenceLeases::kMostBehind);
    ASSERT_TRUE(all.insert(number).second);
    highest = std::max(highest, number);
  }
}

}  // namespace
}  // namespace sluice::dataplane
