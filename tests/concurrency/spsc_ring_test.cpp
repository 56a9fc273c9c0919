// A ring between two threads: everything arrives once, in order, and what it points at is whole.
#include "common/spsc_ring.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace sluice {
namespace {

constexpr uint64_t kItems = 200'000;

struct Item {
  uint64_t number;
  uint64_t twice;  ///< written before the item is handed over, by a thread that is not the reader
};

void produce(SpscRing<Item*>& ring, std::vector<Item>& items) {
  size_t done = 0;
  for (size_t burst = 1; done < items.size(); burst = burst % 7 + 1) {
    std::array<Item*, 7> pointers{};
    const size_t count = std::min(burst, items.size() - done);
    for (size_t i = 0; i < count; ++i) {
      items[done + i] = {done + i, 2 * (done + i)};
      pointers[i] = &items[done + i];
    }
    const size_t taken = ring.push({pointers.data(), count});
    done += taken;  // the rest is offered again
    if (taken == 0) std::this_thread::yield();
  }
}

TEST(SpscRing, HandsEverythingOverOnceAndInOrder) {
  SpscRing<Item*> ring(64);
  std::vector<Item> items(kItems);
  std::thread producer([&] { produce(ring, items); });
  uint64_t expected = 0;
  uint64_t wrong = 0;
  while (expected < kItems) {
    std::array<Item*, 5> received{};
    const size_t count = ring.pop(received);
    for (size_t i = 0; i < count; ++i, ++expected) {
      if (received[i]->number != expected || received[i]->twice != 2 * expected) ++wrong;
    }
    if (count == 0) std::this_thread::yield();
  }
  producer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(ring.size(), 0u);
}

TEST(SpscRing, TakesNoMoreThanItHasRoomFor) {
  SpscRing<int> ring(5);
  EXPECT_EQ(ring.capacity(), 8u);
  const std::array<int, 6> six = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(ring.push(six), 6u);
  EXPECT_EQ(ring.push(six), 2u);
  EXPECT_FALSE(ring.push(9));
  std::array<int, 10> out{};
  EXPECT_EQ(ring.pop(out), 8u);
  EXPECT_EQ(out, (std::array<int, 10>{1, 2, 3, 4, 5, 6, 1, 2, 0, 0}));
  EXPECT_EQ(ring.pop(out), 0u);
}

}  // namespace
}  // namespace sluice
