// The AVX-512 F, BW and VL instructions that Sluice's kernels use, beside those of vectors.h.
#pragma once

#include "tests/unit/crypto/models/vectors.h"

namespace instruction_model {
namespace {

/// VPTERNLOGD: bit by bit, the bit of `table` that the three bits number.
[[gnu::noinline]] [[maybe_unused]] Vector512 ternary_logic(const Vector512& a, const Vector512& b,
                                                           const Vector512& c, unsigned table) {
  uint32_t bit[8];
  for (unsigned entry = 0; entry < 8; ++entry) bit[entry] = (table >> entry & 1) != 0 ? UINT32_MAX : 0;
  return words<Vector512>([&](unsigned i) {
    const auto by_c = [&](unsigned entry) {
      return (c.word[i] & bit[entry + 1]) | (~c.word[i] & bit[entry]);
    };
    const auto by_b = [&](unsigned entry) {
      return (b.word[i] & by_c(entry + 2)) | (~b.word[i] & by_c(entry));
    };
    return (a.word[i] & by_b(4)) | (~a.word[i] & by_b(0));
  });
}

/// VPRORD.
[[gnu::noinline]] [[maybe_unused]] Vector512 rotate_words_right(const Vector512& a, unsigned bits) {
  return words<Vector512>([&](unsigned i) { return rotate_right(a.word[i], bits % 32); });
}

/// VSHUFI32X4: two of the first's 16-byte lanes, then two of the second's, by two bits each.
[[gnu::noinline]] [[maybe_unused]] Vector512 shuffle_lanes(const Vector512& a, const Vector512& b,
                                                           unsigned order) {
  return words<Vector512>([&](unsigned i) {
    const unsigned lane = i / 4, from = order >> 2 * lane & 3;
    return (lane < 2 ? a : b).word[4 * from + i % 4];
  });
}

/// VPERMT2Q: of both registers' long words, the one that four bits number.
[[gnu::noinline]] [[maybe_unused]] Vector512 permute_long_words(const Vector512& a, const Vector512& order,
                                                                const Vector512& b) {
  return long_words<Vector512>([&](unsigned i) {
    const auto from = static_cast<unsigned>(long_word(order, i) & 15);
    return long_word(from < 8 ? a : b, from % 8);
  });
}

[[gnu::noinline]] [[maybe_unused]] Vector512 from_long_words(uint64_t w7, uint64_t w6, uint64_t w5,
                                                             uint64_t w4, uint64_t w3, uint64_t w2,
                                                             uint64_t w1, uint64_t w0) {
  const uint64_t all[] = {w0, w1, w2, w3, w4, w5, w6, w7};
  return as<Vector512>(all);
}

/// VINSERTI64X4 and VEXTRACTI64X4.
[[gnu::noinline]] [[maybe_unused]] Vector512 insert_half(Vector512 a, const Vector256& half, unsigned at) {
  std::memcpy(a.word + 8 * at, &half, sizeof half);
  return a;
}
[[gnu::noinline]] [[maybe_unused]] Vector256 extract_half(const Vector512& a, unsigned at) {
  return load<Vector256>(a.word + 8 * at);
}
/// With zeros above; the instruction leaves them undefined where a cast widens.
template <typename Narrow>
[[gnu::noinline]] Vector512 widen(const Narrow& narrow) {
  Vector512 wide{};
  std::memcpy(&wide, &narrow, sizeof narrow);
  return wide;
}

/// VMOVDQU8 with a zeroing mask: reads no byte whose bit is clear.
[[gnu::noinline]] [[maybe_unused]] Vector512 load_masked_bytes(uint64_t mask, const void* from) {
  uint8_t result[64];
  for (unsigned i = 0; i < 64; ++i)
    result[i] = (mask >> i & 1) != 0 ? static_cast<const uint8_t*>(from)[i] : 0;
  return as<Vector512>(result);
}
[[gnu::noinline]] [[maybe_unused]] Vector512 move_masked_bytes(const Vector512& kept, uint64_t mask,
                                                               const Vector512& moved) {
  uint8_t result[64];
  for (unsigned i = 0; i < 64; ++i) result[i] = byte((mask >> i & 1) != 0 ? moved : kept, i);
  return as<Vector512>(result);
}
[[gnu::noinline]] [[maybe_unused]] Vector512 move_masked_words(const Vector512& kept, uint16_t mask,
                                                               const Vector512& moved) {
  return words<Vector512>([&](unsigned i) { return ((mask >> i & 1) != 0 ? moved : kept).word[i]; });
}
[[gnu::noinline]] [[maybe_unused]] Vector512 or_masked_words(const Vector512& kept, uint16_t mask,
                                                             const Vector512& a, const Vector512& b) {
  return move_masked_words(kept, mask, bitwise_or(a, b));
}

[[gnu::noinline]] [[maybe_unused]] uint16_t equal_words(const Vector512& a, const Vector512& b) {
  uint16_t mask = 0;
  for (unsigned i = 0; i < 16; ++i) mask = static_cast<uint16_t>(mask | (a.word[i] == b.word[i]) << i);
  return mask;
}
/// VPTESTMB on 16 bytes.
[[gnu::noinline]] [[maybe_unused]] uint16_t test_bytes(const Vector128& a, const Vector128& b) {
  uint16_t mask = 0;
  for (unsigned i = 0; i < 16; ++i)
    mask = static_cast<uint16_t>(mask | ((byte(a, i) & byte(b, i)) != 0) << i);
  return mask;
}

[[gnu::noinline]] [[maybe_unused]] uint32_t least_word(const Vector512& a) {
  uint32_t least = a.word[0];
  for (const uint32_t word : a.word) least = word < least ? word : least;
  return least;
}
[[gnu::noinline]] [[maybe_unused]] uint32_t most_word(const Vector512& a) {
  uint32_t most = a.word[0];
  for (const uint32_t word : a.word) most = word > most ? word : most;
  return most;
}

/// BZHI (BMI2): the low `count` bits.
[[gnu::noinline]] [[maybe_unused]] uint64_t low_bits(uint64_t value, unsigned count) {
  return count >= 64 ? value : value & ((uint64_t{1} << count) - 1);
}

[[gnu::noinline]] [[maybe_unused]] Vector512 broadcast_byte(uint8_t value) {
  return broadcast_word<Vector512>(value * 0x01010101u);
}

}  // namespace
}  // namespace instruction_model
