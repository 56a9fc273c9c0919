// One thread's view; tests/concurrency runs the ring between two.
#include "common/spsc_ring.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <numeric>
#include <vector>

namespace sluice {
namespace {

TEST(SpscRing, RoundsItsCapacityUpToAPowerOfTwo) {
  EXPECT_EQ(SpscRing<int>(1).capacity(), 1u);
  EXPECT_EQ(SpscRing<int>(5).capacity(), 8u);
  EXPECT_EQ(SpscRing<int>(64).capacity(), 64u);
}

TEST(SpscRing, TakesFromTheFrontWhatThereIsRoomFor) {
  SpscRing<int> ring(4);
  const std::vector<int> six = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(ring.push(six), 4u);
  EXPECT_FALSE(ring.push(7));
  std::vector<int> out(6);
  EXPECT_EQ(ring.pop(out), 4u);
  EXPECT_EQ(out, (std::vector<int>{1, 2, 3, 4, 0, 0}));
  EXPECT_EQ(ring.pop(out), 0u);
}

RC_GTEST_PROP(SpscRing, AgreesWithADeque, ()) {
  SpscRing<int> ring(*rc::gen::inRange<size_t>(1, 20));
  std::deque<int> model;
  int next = 0;
  const auto operations = *rc::gen::container<std::vector<std::pair<bool, size_t>>>(
      200, rc::gen::pair(rc::gen::arbitrary<bool>(), rc::gen::inRange<size_t>(0, 25)));
  for (const auto& [is_push, count] : operations) {
    std::vector<int> items(count);
    if (is_push) {
      std::iota(items.begin(), items.end(), next);
      const size_t taken = ring.push(items);
      RC_ASSERT(taken == std::min(count, ring.capacity() - model.size()));
      model.insert(model.end(), items.begin(), items.begin() + static_cast<ptrdiff_t>(taken));
      next += static_cast<int>(taken);
    } else {
      const size_t given = ring.pop(items);
      RC_ASSERT(given == std::min(count, model.size()));
      for (size_t i = 0; i < given; ++i) {
        RC_ASSERT(items[i] == model.front());
        model.pop_front();
      }
    }
    RC_ASSERT(ring.size() == model.size());
  }
}

}  // namespace
}  // namespace sluice
