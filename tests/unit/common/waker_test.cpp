#include "common/waker.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "common/spsc_ring.h"

namespace sluice {
namespace {

/// How often there was an edge since the last look.
uint64_t edges(const Waker& waker) {
  eventfd_t count = 0;
  return eventfd_read(waker.descriptor(), &count) == 0 ? count : 0;
}

TEST(Waker, WakesOnceAnOwnerThatHasArmedIt) {
  Waker waker;
  waker.wake();
  EXPECT_EQ(edges(waker), 0u);
  waker.arm();
  EXPECT_EQ(edges(waker), 0u);
  waker.wake();
  waker.wake();
  EXPECT_EQ(edges(waker), 1u);
  waker.wake();
  EXPECT_EQ(edges(waker), 0u) << "the owner is awake";
  waker.arm();
  waker.wake();
  EXPECT_EQ(edges(waker), 1u);
}

TEST(Waker, DoesNotWakeAnOwnerThatHasDisarmedIt) {
  Waker waker;
  waker.arm();
  waker.disarm();
  waker.wake();
  EXPECT_EQ(edges(waker), 0u);
}

TEST(Waker, WakesAtAPushIntoARingThatItIsAttachedTo) {
  Waker waker;
  SpscRing<int> ring(4), other(4);
  ring.attach(waker);
  waker.arm();
  other.push(1);
  EXPECT_EQ(edges(waker), 0u);
  ring.push(1);
  EXPECT_EQ(edges(waker), 1u);
  waker.arm();
  ring.push(2);
  EXPECT_EQ(edges(waker), 1u);
}

}  // namespace
}  // namespace sluice
