// Limits under fire: several threads take from what they share, and together never get more than one would.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "lb/shared_bucket.h"
#include "lb/shared_flow_counts.h"
#include "lb/source_rules.h"

namespace sluice::lb {
namespace {

constexpr unsigned kThreads = 3;
constexpr uint64_t kWhileNs = 200'000'000;  ///< from when a thread runs at all

uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

template <typename Body>
void on_all_threads(const Body& body) {
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back([&body, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

uint64_t random_after(uint64_t random) {
  return random * 6364136223846793005u + 1442695040888963407u;
}

TEST(SharedBucketThreads, TakeNoMoreThanRateAndBurstTogether) {
  for (const uint64_t burst : {1u, 60u, 5'000u}) {
    constexpr uint64_t kRate = 200'000;
    SharedBucket bucket(Rate::of(kRate, burst), kThreads);
    std::array<uint64_t, kThreads> taken{};
    const uint64_t begin = now_ns();
    on_all_threads([&](unsigned thread) {
      uint64_t own = 0;
      for (uint64_t now = now_ns(), end = now + kWhileNs; now < end; now = now_ns()) {
        constexpr uint32_t kTogether = 8;
        if (now % 2 == 0 && bucket.has_leased(thread, now, kTogether)) {
          bucket.spend(thread, now, kTogether);
          own += kTogether;
        } else {
          own += bucket.take(thread, now);
        }
      }
      taken[thread] = own;
    });
    const uint64_t total = taken[0] + taken[1] + taken[2];
    const uint64_t most = kRate * (now_ns() - begin) / 1'000'000'000 + burst;
    EXPECT_LE(total, most) << burst;
    EXPECT_GT(total, burst);
  }
}

TEST(SharedCountThreads, NeverExceedTheMost) {
  constexpr uint32_t kMost = 7;
  SharedCount count{0};
  std::atomic<uint32_t> holders{0};
  std::atomic<bool> exceeded{false};
  on_all_threads([&](unsigned) {
    for (int i = 0; i < 50'000; ++i) {
      if (!take_place(count, kMost)) continue;
      if (holders.fetch_add(1) >= kMost) exceeded = true;
      holders.fetch_sub(1);
      count.fetch_sub(1);
    }
  });
  EXPECT_FALSE(exceeded);
  EXPECT_EQ(count.load(), 0u);
}

TEST(SourceFlowsThreads, NeverLetASourceHaveMoreThanItMay) {
  constexpr uint32_t kMost = 3;
  constexpr uint64_t kSources = 64;
  for (const uint32_t remembered : {1u, 16u, 1000u}) {
    const SourceFlows flows(kMost, std::make_shared<SourceTable>(remembered), 1);
    std::array<std::atomic<uint32_t>, kSources> live{};
    std::atomic<bool> exceeded{false};
    on_all_threads([&](unsigned thread) {
      uint64_t random = thread;
      std::vector<std::pair<uint64_t, uint8_t>> own;
      for (int i = 0; i < 30'000; ++i) {
        random = random_after(random);
        if (own.size() > 20 || (random >> 60 < 6 && !own.empty())) {
          const auto [source, mark] = own.back();
          own.pop_back();
          live[source].fetch_sub(1);
          flows.end(source * 0x9e3779b97f4a7c15, mark);
          continue;
        }
        const uint64_t source = (random >> 40) % kSources;
        if (const auto mark = flows.begin(source * 0x9e3779b97f4a7c15)) {
          if (live[source].fetch_add(1) >= kMost) exceeded = true;
          own.emplace_back(source, *mark);
        }
      }
      for (const auto& [source, mark] : own) {
        live[source].fetch_sub(1);
        flows.end(source * 0x9e3779b97f4a7c15, mark);
      }
    });
    EXPECT_FALSE(exceeded) << remembered;
    for (uint64_t source = 0; source < kSources; ++source)
      EXPECT_TRUE(flows.has_room(source * 0x9e3779b97f4a7c15));
  }
}

TEST(SourceRateThreads, KeepEachSourceToItsRate) {
  constexpr uint64_t kSources = 40, kRate = 1000, kBurst = 10;
  const SourceRate rate(Rate::of(kRate, kBurst), std::make_shared<SourceTable>(8));
  std::array<std::atomic<uint64_t>, kSources> taken{};
  const uint64_t begin = now_ns();
  on_all_threads([&](unsigned thread) {
    uint64_t random = thread;
    for (uint64_t now = now_ns(), end = now + kWhileNs; now < end; now = now_ns()) {
      random = random_after(random);
      const uint64_t source = (random >> 40) % kSources;
      taken[source] += rate.take(source * 0x9e3779b97f4a7c15, now, 1 + (random >> 60) % 3);
    }
  });
  const uint64_t most = kRate * (now_ns() - begin) / 1'000'000'000 + kBurst;
  for (const auto& of_source : taken) EXPECT_LE(of_source.load(), most);
}

TEST(SourceRateThreads, KeepFlowsThatTakeInAdvanceToTheRateOfTheirSource) {
  static constexpr uint64_t kRate = 200'000, kBurst = 20'000, kSource = 77;
  const SourceRate rate(Rate::of(kRate, kBurst), std::make_shared<SourceTable>(8));
  std::array<uint64_t, kThreads> taken{};
  const uint64_t begin = now_ns();
  on_all_threads([&](unsigned thread) {
    FlowEntry flows[2];
    uint64_t own = 0, random = thread;
    for (uint64_t now = now_ns(), end = now + kWhileNs; now < end; now = now_ns()) {
      random = random_after(random);
      if (random >> 61 == 0) {
        const SourceRate::Taken some = rate.take_some(kSource, now, 3);
        if (some.tokens > 1) rate.give_back(kSource, some, some.tokens - 1);
        own += some.tokens != 0;
      } else {
        own += rate.take(flows[random >> 56 & 1], now, 0, [] { return kSource; });
      }
    }
    taken[thread] = own;
  });
  const uint64_t total = taken[0] + taken[1] + taken[2];
  EXPECT_LE(total, kRate * (now_ns() - begin) / 1'000'000'000 + kBurst);
  EXPECT_GT(total, kBurst);
}

}  // namespace
}  // namespace sluice::lb
