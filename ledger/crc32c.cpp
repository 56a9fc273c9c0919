#include "ledger/crc32c.h"

#include <immintrin.h>

#include "common/bytes.h"

namespace sluice::ledger {
namespace {

constexpr size_t kRun = 1024;  // bytes of each of the three parts that are summed at the same time

/// x^n modulo the polynomial, with bits reversed as in the CRC instruction: the highest is x^0.
constexpr uint32_t power_of_x(size_t n) {
  constexpr uint32_t kPolynomial = 0x82f63b78;
  uint32_t power = uint32_t{1} << 31;
  for (; n > 0; --n) power = power >> 1 ^ ((power & 1) != 0 ? kPolynomial : 0);
  return power;
}

/// The factor that moves a state past `bytes` zero bytes: x^(8 * bytes), less x^33, by which the carry-less
/// product of reversed numbers and its reduction by the CRC instruction multiply already.
constexpr uint32_t zeros_behind(size_t bytes) {
  return power_of_x(8 * bytes - 33);
}

__m128i product(uint64_t state, uint32_t factor) {
  return _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(state)),
                              _mm_cvtsi32_si128(static_cast<int>(factor)), 0);
}

/// The state after three parts of kRun bytes. An instruction waits three cycles for the one before it in its
/// chain, so three chains that do not depend on each other keep the CPU's unit busy.
uint64_t three_runs(uint64_t first, const uint8_t* at) {
  constexpr uint32_t kOneRun = zeros_behind(kRun), kTwoRuns = zeros_behind(2 * kRun);
  uint64_t second = 0, third = 0;
  for (size_t i = 0; i < kRun; i += 8) {
    first = _mm_crc32_u64(first, load<uint64_t>(at + i));
    second = _mm_crc32_u64(second, load<uint64_t>(at + kRun + i));
    third = _mm_crc32_u64(third, load<uint64_t>(at + 2 * kRun + i));
  }
  const __m128i sum = _mm_xor_si128(product(first, kTwoRuns), product(second, kOneRun));
  return _mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(sum))) ^ third;
}

}  // namespace

uint32_t crc32c(std::span<const uint8_t> data) {
  const uint8_t* at = data.data();
  size_t left = data.size();
  uint64_t state = UINT32_MAX;
  for (; left >= 3 * kRun; at += 3 * kRun, left -= 3 * kRun) state = three_runs(state, at);
  for (; left >= 8; at += 8, left -= 8) state = _mm_crc32_u64(state, load<uint64_t>(at));
  auto narrow = static_cast<uint32_t>(state);
  for (; left > 0; ++at, --left) narrow = _mm_crc32_u8(narrow, *at);
  return ~narrow;
}

}  // namespace sluice::ledger
