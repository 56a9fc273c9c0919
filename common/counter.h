// A counter that one thread writes and any thread reads, without a locked instruction. x86-64.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice {

/// Monotonic. Only the owning thread calls add(); read() is safe anywhere and may lag by a store.
/// All-zero bytes are a valid, zero counter, so large arrays may come from anonymous memory.
class Counter {
 public:
  void add(uint64_t amount = 1) {
    // A load and a store that nobody tears, in one instruction: compilers make three of the atomic ones.
    asm("addq %1, %0" : "+m"(value_) : "er"(amount) : "cc");
  }
  uint64_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// A value that goes up and down; same rules as Counter.
class Gauge {
 public:
  void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(int64_t amount) { set(read() + static_cast<uint64_t>(amount)); }
  uint64_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace sluice
