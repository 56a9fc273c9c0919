// Wakes a thread that sleeps, where a ring (SpscRing::attach) brings it something. Who pushes makes a system
// call only where the owner has said that it goes to sleep.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>

namespace sluice {

/// Owned by the thread that sleeps, for any to wake it. The owner, to sleep: arm(); look at its rings once
/// more; only if they are empty wait for the descriptor. What was pushed while the waker was not armed is
/// found by that look.
class Waker {
 public:
  Waker() : descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Waker() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  /// Has an edge for epoll (EPOLLET) with the first wake() after each arm(), and is never read. -1: the
  /// process had none left.
  int descriptor() const { return descriptor_; }

  void arm() { is_armed_.store(true, std::memory_order_seq_cst); }
  void disarm() { is_armed_.store(false, std::memory_order_relaxed); }

  /// After a sequentially consistent store of what the owner looks at: of the two threads at least one sees
  /// what the other has stored.
  void wake() {
    if (!is_armed_.load(std::memory_order_seq_cst) || !is_armed_.exchange(false)) return;
    eventfd_write(descriptor_, 1);
  }

 private:
  const int descriptor_;
  std::atomic<bool> is_armed_{false};
};

}  // namespace sluice
