#include "ledger/crc32c.h"

#include <nmmintrin.h>

#include "common/bytes.h"

namespace sluice::ledger {

uint32_t crc32c(std::span<const uint8_t> data) {
  const uint8_t* at = data.data();
  size_t left = data.size();
  uint64_t state = UINT32_MAX;
  for (; left >= 8; at += 8, left -= 8) state = _mm_crc32_u64(state, load<uint64_t>(at));
  auto narrow = static_cast<uint32_t>(state);
  for (; left > 0; ++at, --left) narrow = _mm_crc32_u8(narrow, *at);
  return ~narrow;
}

}  // namespace sluice::ledger
