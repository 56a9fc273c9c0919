// SipHash-2-4 (Aumasson and Bernstein, 2012): the keyed hash of flows and Maglev endpoints. A secret
// key keeps an attacker from aiming flows at one backend. Any thread; pure.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "common/bytes.h"

namespace sluice {

/// The 128-bit key, `gateway.hash_key`; its 16 bytes are read as two little-endian words.
struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
  bool operator==(const SipKey&) const = default;
};

/// SipHash-2-4 of `size` bytes, as the 64-bit integer that its eight result bytes are in
/// little-endian order.
inline uint64_t siphash24(const SipKey& key, const void* data, size_t size) {
  uint64_t v0 = key.k0 ^ 0x736f6d6570736575, v1 = key.k1 ^ 0x646f72616e646f6d;
  uint64_t v2 = key.k0 ^ 0x6c7967656e657261, v3 = key.k1 ^ 0x7465646279746573;
  const auto round = [&] {
    v0 += v1;
    v1 = std::rotl(v1, 13);
    v1 ^= v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16);
    v3 ^= v2;
    v0 += v3;
    v3 = std::rotl(v3, 21);
    v3 ^= v0;
    v2 += v1;
    v1 = std::rotl(v1, 17);
    v1 ^= v2;
    v2 = std::rotl(v2, 32);
  };
  const auto* bytes = static_cast<const uint8_t*>(data);
  const uint8_t* const tail = bytes + (size & ~size_t{7});
  for (; bytes != tail; bytes += 8) {
    const uint64_t word = load<uint64_t>(bytes);
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
  uint64_t last = static_cast<uint64_t>(size) << 56;
  for (size_t i = 0; i < (size & 7); ++i) last |= static_cast<uint64_t>(tail[i]) << (8 * i);
  v3 ^= last;
  round();
  round();
  v0 ^= last;
  v2 ^= 0xff;
  round();
  round();
  round();
  round();
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace sluice
