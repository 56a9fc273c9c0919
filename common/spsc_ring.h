// A bounded queue between exactly two threads: where two of Sluice's threads meet, they meet here or at
// a Published pointer. Lock-free and wait-free (Lamport 1983; cached indexes after Lee et al., MCRingBuffer).
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <span>

#include "common/waker.h"

namespace sluice {

/// One producer thread calls push(), one consumer thread calls pop(); size() is for anyone and may lag.
/// T is copied, so it is a pointer or a small value. Memory is allocated once, by the constructor.
template <typename T>
class SpscRing {
 public:
  /// Room for at least `capacity` elements (rounded up to a power of two).
  explicit SpscRing(size_t capacity) : mask_(std::bit_ceil(capacity) - 1), slots_(new T[mask_ + 1]) {}
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  /// Every push will wake the consumer by it. Before the two threads use the ring.
  void attach(Waker& waker) { waker_ = &waker; }

  /// Takes as many of `items` as there is room for, from the front; returns how many. What is not taken
  /// stays the producer's.
  size_t push(std::span<const T> items) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (capacity() - (tail - head_seen_) < items.size()) head_seen_ = head_.load(std::memory_order_acquire);
    const size_t count = std::min(items.size(), capacity() - (tail - head_seen_));
    for (size_t i = 0; i < count; ++i) slots_[(tail + i) & mask_] = items[i];
    if (count != 0) publish(tail + count);
    return count;
  }
  bool push(const T& item) { return push(std::span<const T>(&item, 1)) == 1; }

  /// Fills `items` from the front with what is queued; returns how many.
  size_t pop(std::span<T> items) {
    const size_t head = head_.load(std::memory_order_relaxed);
    // Not only acquired: a consumer that goes to sleep looks here after Waker::arm().
    if (tail_seen_ - head < items.size()) tail_seen_ = tail_.load(std::memory_order_seq_cst);
    const size_t count = std::min(items.size(), tail_seen_ - head);
    for (size_t i = 0; i < count; ++i) items[i] = slots_[(head + i) & mask_];
    head_.store(head + count, std::memory_order_release);  // gives the slots read above back
    return count;
  }

  size_t size() const {
    return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_acquire);
  }
  size_t capacity() const { return mask_ + 1; }

 private:
  /// Makes the slots below `tail` the consumer's.
  void publish(size_t tail) {
    if (waker_ == nullptr) return tail_.store(tail, std::memory_order_release);
    tail_.store(tail, std::memory_order_seq_cst);
    waker_->wake();
  }

  const size_t mask_;
  const std::unique_ptr<T[]> slots_;
  Waker* waker_ = nullptr;
  alignas(64) std::atomic<size_t> tail_{0};  // written by the producer
  size_t head_seen_ = 0;
  alignas(64) std::atomic<size_t> head_{0};  // written by the consumer
  size_t tail_seen_ = 0;
};

}  // namespace sluice
