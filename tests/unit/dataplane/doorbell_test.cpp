#include "dataplane/base/doorbell.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sluice::dataplane {
namespace {

constexpr uint64_t kForEverNs = 3'600'000'000'000;  // the test's own time limit ends it long before

TEST(Doorbell, ARingEndsTheNextSleep) {
  Doorbell bell;
  bell.ring();
  bell.sleep(kForEverNs);
}

TEST(Doorbell, ARingFromAnotherThreadEndsASleep) {
  Doorbell bell;
  std::atomic<bool> has_rung{false};
  std::thread visitor([&] {
    has_rung = true;
    bell.ring();
  });
  bell.sleep(kForEverNs);
  EXPECT_TRUE(has_rung);
  visitor.join();
}

TEST(Doorbell, ASleepEndsByItself) {
  Doorbell bell;
  bell.sleep(999'999'999);  // carries into the next second
  bell.sleep(0);
}

}  // namespace
}  // namespace sluice::dataplane
