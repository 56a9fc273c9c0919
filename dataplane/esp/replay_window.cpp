#include "dataplane/esp/replay_window.h"

#include <bit>

namespace sluice::dataplane {

ReplayWindow::ReplayWindow(uint32_t size, std::atomic<uint64_t>& highest)
    : size_(size), floor_(highest.load(std::memory_order_relaxed)), highest_(highest) {
  // One word more than the window has: its first and its last number may both lie within a word.
  const size_t words = std::bit_ceil(size_t{size} / kNumbers + 2);
  mask_ = words - 1;
  words_ = std::make_unique<std::atomic<uint64_t>[]>(words);
}

bool ReplayWindow::may_accept(uint64_t number) const {
  const uint64_t highest = highest_.load(std::memory_order_relaxed);
  if (number <= floor_ || number + size_ <= highest) return false;
  const uint64_t sixteen = number / kNumbers;
  const uint64_t word = words_[sixteen & mask_].load(std::memory_order_relaxed);
  if (word >> kNumbers != sixteen) return word >> kNumbers < sixteen;
  return (word >> number % kNumbers & 1) == 0;
}

bool ReplayWindow::accept(uint64_t number) {
  if (number <= floor_ || number + size_ <= highest_.load(std::memory_order_relaxed)) return false;
  const uint64_t sixteen = number / kNumbers;
  const uint64_t bit = uint64_t{1} << number % kNumbers;
  std::atomic<uint64_t>& place = words_[sixteen & mask_];
  // Nothing else is read by what these words say: each exchange is whole by itself.
  for (uint64_t word = place.load(std::memory_order_relaxed);;) {
    const uint64_t held = word >> kNumbers;
    if (held > sixteen || (held == sixteen && (word & bit) != 0)) return false;
    const uint64_t next = held == sixteen ? word | bit : sixteen << kNumbers | bit;
    if (place.compare_exchange_weak(word, next, std::memory_order_relaxed)) break;
  }
  uint64_t highest = highest_.load(std::memory_order_relaxed);
  while (highest < number && !highest_.compare_exchange_weak(highest, number, std::memory_order_relaxed)) {
  }
  return true;
}

}  // namespace sluice::dataplane
