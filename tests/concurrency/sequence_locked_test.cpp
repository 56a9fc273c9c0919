// A reader never sees half of one value and half of another.
#include "dataplane/base/sequence_locked.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sluice::dataplane {
namespace {

struct Value {
  uint16_t small;
  uint64_t first;
  uint64_t second;
  uint8_t last;
};

Value value_of(uint64_t number) {
  return {static_cast<uint16_t>(number), number, ~number, static_cast<uint8_t>(number)};
}

TEST(SequenceLocked, IsReadWhole) {
  constexpr uint64_t kWrites = 200'000;
  SequenceLocked<Value> locked;
  locked.write(value_of(0));
  std::atomic<bool> writing{true};
  std::thread writer([&] {
    for (uint64_t number = 1; number <= kWrites; ++number) {
      locked.write(value_of(number));
      if (locked.own().first != number) std::abort();
    }
    writing.store(false);
  });
  uint64_t torn = 0;
  uint64_t previous = 0;
  do {
    const Value value = locked.read();
    const Value whole = value_of(value.first);
    if (value.second != whole.second || value.small != whole.small || value.last != whole.last) ++torn;
    if (value.first < previous) ++torn;
    previous = value.first;
  } while (writing.load());
  writer.join();
  EXPECT_EQ(torn, 0u);
  EXPECT_EQ(locked.read().first, kWrites);
}

TEST(SequenceLocked, StartsAsZeroes) {
  const SequenceLocked<Value> locked;
  EXPECT_EQ(locked.read().first, 0u);
  EXPECT_EQ(locked.read().last, 0u);
}

}  // namespace
}  // namespace sluice::dataplane
