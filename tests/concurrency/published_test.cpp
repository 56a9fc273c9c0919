// Publication under fire: one thread publishes and frees, others read. Without ThreadSanitizer an object
// freed too early shows as a destroyed one that a reader still holds; with it, as a race.
#include "dataplane/base/published.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

namespace sluice::dataplane {
namespace {

constexpr uint64_t kGenerations = 20'000;
constexpr unsigned kReaders = 3;

struct Object {
  explicit Object(uint64_t number) : first(number), last(number) { alive.fetch_add(1); }
  ~Object() {
    first = last = UINT64_MAX;
    alive.fetch_sub(1);
  }
  uint64_t first;
  uint64_t padding[32] = {};
  uint64_t last;
  static inline std::atomic<int> alive{0};
};

/// Reads until it has seen the last generation; the number of objects that were not as they were published.
uint64_t read_all(Published<Object>::Reader& reader) {
  uint64_t wrong = 0;
  uint64_t previous = 0;
  while (previous < kGenerations) {
    const Object* const object = reader.refresh();
    if (object->first != object->last || object->first < previous || object->first > kGenerations) ++wrong;
    previous = object->first;
    if (object->last != previous) ++wrong;
  }
  return wrong;
}

TEST(Published, KeepsAnObjectWhileAReaderHoldsIt) {
  {
    Published<Object> published(std::make_shared<Object>(0), kReaders);
    std::array<uint64_t, kReaders> wrong{};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < kReaders; ++i) {
      threads.emplace_back([&, i] { wrong[i] = read_all(published.reader(i)); });
    }
    for (uint64_t number = 1; number <= kGenerations; ++number) {
      published.publish(std::make_shared<Object>(number));
      published.reclaim();
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, (std::array<uint64_t, kReaders>{}));
    EXPECT_TRUE(published.seen_by_all());
    published.reclaim();
    EXPECT_EQ(published.retired(), 0u);
    EXPECT_EQ(Object::alive.load(), 1) << "all but the newest have been freed";
  }
  EXPECT_EQ(Object::alive.load(), 0);
}

TEST(Published, FreesNothingThatAReaderHasNotLetGo) {
  Published<Object> published(std::make_shared<Object>(0), 2);
  published.reader(0).refresh();
  const Object* const held = published.reader(1).refresh();
  published.publish(std::make_shared<Object>(1));
  published.publish(std::make_shared<Object>(2));
  published.reader(0).refresh();
  published.reclaim();
  EXPECT_FALSE(published.seen_by_all());
  EXPECT_EQ(held->first, 0u);
  EXPECT_EQ(Object::alive.load(), 3)
      << "readers may pass through those between, for all that reclaim() knows";
  published.reader(1).refresh();
  published.reclaim();
  EXPECT_TRUE(published.seen_by_all());
  EXPECT_EQ(Object::alive.load(), 1);
}

}  // namespace
}  // namespace sluice::dataplane
