// Copies what is kept in case that it is said again, which it seldom is. Whole cache lines go to memory past
// the caches: so nobody waits until the line that is overwritten has come, and what others need stays in
// them.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace sluice::dataplane {

/// How many bytes there are from an address to the beginning of the next line; 0: it is one.
inline size_t before_next_line(const uint8_t* at) {
  return -reinterpret_cast<uintptr_t>(at) % 64;
}

/// `to` and `from` do not overlap.
inline void keep_bytes(uint8_t* to, const uint8_t* from, size_t size) {
  const size_t front = std::min(size, before_next_line(to));
  std::copy_n(from, front, to);
  size_t copied = front;
  for (; size - copied >= 64; copied += 64) {
    const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + copied));
    const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + copied + 32));
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + copied), first);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + copied + 32), second);
  }
  std::copy_n(from + copied, size - copied, to + copied);
}

/// Has the CPU fetch those lines for keep_bytes() that are not overwritten as a whole.
[[gnu::always_inline]] inline void prefetch_kept(uint8_t* to, size_t size) {
  if (before_next_line(to) != 0) __builtin_prefetch(to, 1);
  if (before_next_line(to + size) != 0) __builtin_prefetch(to + size, 1);
}

}  // namespace sluice::dataplane
