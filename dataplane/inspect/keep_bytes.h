// Copies a segment's bytes to where they are kept in case a client sends them again, which it seldom does.
// Whole cache lines are stored past the caches: so the CPU does not wait for the lines that are overwritten,
// and what is used more often stays in the caches. Any thread.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace sluice::dataplane {

/// How many bytes there are from an address to the next one where a cache line begins; 0: one begins there.
inline size_t before_next_line(const uint8_t* at) {
  return -reinterpret_cast<uintptr_t>(at) % 64;
}

/// As memcpy(): `to` and `from` do not overlap.
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

/// Fetches the lines that keep_bytes() would write only in part: its first and its last.
[[gnu::always_inline]] inline void prefetch_kept(uint8_t* to, size_t size) {
  if (before_next_line(to) != 0) __builtin_prefetch(to, 1);
  if (before_next_line(to + size) != 0) __builtin_prefetch(to + size, 1);
}

}  // namespace sluice::dataplane
