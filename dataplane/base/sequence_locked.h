// A small value that one thread writes and any thread reads whole, without a lock: a sequence lock
// (Lameter 2005; memory orders after Boehm, "Can seqlocks get along with programming language memory
// models?", 2012). Reading never makes the writer wait.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace sluice::dataplane {

/// T is trivially copyable. It is kept twice: in 8-byte words for the other threads, and as it is for the
/// writing one, whose loads would wait for what is assembled from words (a store must be as wide as the load
/// that it forwards to).
template <typename T>
class SequenceLocked {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  /// The writing thread alone.
  void write(const T& value) {
    own_ = value;
    std::array<uint64_t, kWords> words{};
    std::memcpy(words.data(), static_cast<const void*>(&value), sizeof value);
    const uint32_t before = sequence_.load(std::memory_order_relaxed);
    sequence_.store(before + 1, std::memory_order_relaxed);
    // Release: whoever sees one of these words sees the odd number above, too.
    for (size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_release);
    sequence_.store(before + 2, std::memory_order_release);
  }

  /// The value as the writing thread itself left it; on that thread alone.
  const T& own() const { return own_; }

  /// A value that was written at once. Any thread; repeats itself while it meets a write.
  T read() const {
    while (true) {
      const uint32_t before = sequence_.load(std::memory_order_acquire);
      const T value = assemble();
      if (before % 2 == 0 && sequence_.load(std::memory_order_relaxed) == before) return value;
    }
  }

 private:
  static constexpr size_t kWords = (sizeof(T) + 7) / 8;

  T assemble() const {
    std::array<uint64_t, kWords> words;
    for (size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_acquire);
    T value;
    std::memcpy(static_cast<void*>(&value), words.data(), sizeof value);
    return value;
  }

  T own_{};
  std::atomic<uint32_t> sequence_{0};
  std::array<std::atomic<uint64_t>, kWords> words_{};
};

}  // namespace sluice::dataplane
