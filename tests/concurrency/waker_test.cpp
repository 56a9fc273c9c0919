// A consumer that sleeps whenever its rings are empty: no push is slept through.
#include "common/waker.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <thread>

#include "common/spsc_ring.h"

namespace sluice {
namespace {

constexpr uint64_t kItems = 20'000;
constexpr int kForeverMs = 30'000;  ///< nobody who is woken at all sleeps for so long

void produce(SpscRing<uint64_t>& ring) {
  for (uint64_t item = 0; item < kItems; ++item) {
    while (!ring.push(item)) std::this_thread::yield();
    if (item % 3 == 0)
      std::this_thread::yield();  // pushes meet a consumer that sleeps, wakes up, is about to sleep
  }
}

TEST(Waker, LosesNoWakeUp) {
  Waker waker;
  std::array<SpscRing<uint64_t>, 2> rings = {SpscRing<uint64_t>(8), SpscRing<uint64_t>(8)};
  for (auto& ring : rings) ring.attach(waker);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {}};
  ASSERT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, waker.descriptor(), &event), 0);
  std::thread first([&] { produce(rings[0]); });
  std::thread second([&] { produce(rings[1]); });

  uint64_t received = 0, slept_through = 0;
  while (received < 2 * kItems) {
    waker.arm();
    uint64_t found = 0;
    std::array<uint64_t, 5> items;
    for (auto& ring : rings) found += ring.pop(items);
    received += found;
    if (found == 0 && epoll_wait(epoll, &event, 1, kForeverMs) == 0) ++slept_through;
  }
  first.join();
  second.join();
  close(epoll);
  EXPECT_EQ(slept_through, 0u);
  EXPECT_EQ(received, 2 * kItems);
}

}  // namespace
}  // namespace sluice
