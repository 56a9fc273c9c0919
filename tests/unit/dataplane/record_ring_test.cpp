#include "dataplane/base/record_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <thread>
#include <vector>

namespace sluice::dataplane {
namespace {

bool put(RecordRing& ring, const std::vector<uint8_t>& record) {
  const std::span<uint8_t> room = ring.reserve(record.size());
  if (room.empty()) return false;
  std::ranges::copy(record, room.begin());
  ring.commit();
  return true;
}

TEST(RecordRing, GivesRecordsOfAnySizeInTheirOrder) {
  RecordRing ring(4096);
  std::deque<std::vector<uint8_t>> expected;
  std::mt19937 random(3);
  unsigned refused = 0;
  for (unsigned step = 0; step < 100'000; ++step) {
    if (random() % 2 == 0) {
      std::vector<uint8_t> record(1 + random() % 900);
      std::ranges::generate(record, [&] { return static_cast<uint8_t>(random()); });
      if (put(ring, record)) {
        expected.push_back(record);
      } else {
        ++refused;
        EXPECT_FALSE(expected.empty());
      }
    } else if (expected.empty()) {
      EXPECT_TRUE(ring.front().empty());
    } else {
      const auto front = ring.front();
      ASSERT_TRUE(std::ranges::equal(front, expected.front()));
      expected.pop_front();
      ring.release();
    }
  }
  EXPECT_GT(refused, 100u);
}

TEST(RecordRing, IsForTwoThreads) {
  RecordRing ring(1 << 12);
  constexpr uint32_t kRecords = 200'000;
  std::thread producer([&] {
    for (uint32_t i = 0; i < kRecords;) {
      const std::span<uint8_t> room = ring.reserve(sizeof i + i % 300);
      if (room.empty()) {
        std::this_thread::yield();
        continue;
      }
      std::ranges::fill(room, static_cast<uint8_t>(i));
      store(room.data(), i);
      ring.commit();
      ++i;
    }
  });
  for (uint32_t i = 0; i < kRecords;) {
    const auto record = ring.front();
    if (record.empty()) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(load<uint32_t>(record.data()), i);
    ASSERT_EQ(record.size(), sizeof i + i % 300);
    ASSERT_TRUE(
        std::ranges::all_of(record.subspan(sizeof i), [&](uint8_t byte) { return byte == (i & 0xff); }));
    ring.release();
    ++i;
  }
  producer.join();
}

}  // namespace
}  // namespace sluice::dataplane
