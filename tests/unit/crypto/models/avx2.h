// The AVX2 instructions that Sluice's SHA-256 kernels use, beside those of vectors.h.
#pragma once

#include "tests/unit/crypto/models/vectors.h"

namespace instruction_model {
namespace {

/// VPERM2I128: for each half, one of the four halves of both by two bits; zero where bit 3 or 7 is set.
[[gnu::noinline]] [[maybe_unused]] Vector256 permute_halves(const Vector256& a, const Vector256& b,
                                                            unsigned order) {
  return words<Vector256>([&](unsigned i) {
    const unsigned chosen = order >> 4 * (i / 4);
    if ((chosen & 8) != 0) return uint32_t{0};
    return ((chosen & 2) != 0 ? b : a).word[4 * (chosen & 1) + i % 4];
  });
}

/// VPBLENDVB: the second's byte where the mask's highest bit is set.
[[gnu::noinline]] [[maybe_unused]] Vector256 blend_bytes(const Vector256& a, const Vector256& b,
                                                         const Vector256& mask) {
  uint8_t result[32];
  for (unsigned i = 0; i < 32; ++i) result[i] = byte((byte(mask, i) & 0x80) != 0 ? b : a, i);
  return as<Vector256>(result);
}

}  // namespace
}  // namespace instruction_model
