// Vector registers as arrays of words, and the instructions that differ in width alone. Scalar code from the
// instructions' definitions (Intel SDM, volumes 2A to 2C), lane by lane; it runs on every CPU. All
// of it is internal to each file: the linker must not share code between files for different CPUs. Models are
// not inlined: unrolled rounds of them take minutes to compile.
#pragma once

#include <cstdint>
#include <cstring>

namespace instruction_model {
namespace {

template <unsigned kBytes>
struct alignas(kBytes) Vector {
  static constexpr unsigned kWords = kBytes / 4;
  uint32_t word[kWords];
};
using Vector128 = Vector<16>;
using Vector256 = Vector<32>;
using Vector512 = Vector<64>;

template <typename To, typename From>
To as(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

inline uint32_t rotate_right(uint32_t x, unsigned bits) {
  return bits == 0 ? x : x >> bits | x << (32 - bits);
}

/// `of(i)` for every word.
template <typename V, typename Of>
V words(Of of) {
  V result;
  for (unsigned i = 0; i < V::kWords; ++i) result.word[i] = of(i);
  return result;
}
/// `of(i)` for every 64-bit word.
template <typename V, typename Of>
V long_words(Of of) {
  uint64_t result[V::kWords / 2];
  for (unsigned i = 0; i < V::kWords / 2; ++i) result[i] = of(i);
  return as<V>(result);
}
template <typename V>
uint64_t long_word(const V& v, unsigned i) {
  return uint64_t{v.word[2 * i + 1]} << 32 | v.word[2 * i];
}
template <typename V>
uint8_t byte(const V& v, unsigned i) {
  return static_cast<uint8_t>(v.word[i / 4] >> 8 * (i % 4));
}

template <typename V>
[[gnu::noinline]] V broadcast_word(uint32_t value) {
  return words<V>([&](unsigned) { return value; });
}
template <typename V>
[[gnu::noinline]] V add_words(const V& a, const V& b) {
  return words<V>([&](unsigned i) { return a.word[i] + b.word[i]; });
}
template <typename V>
[[gnu::noinline]] V bitwise_and(const V& a, const V& b) {
  return words<V>([&](unsigned i) { return a.word[i] & b.word[i]; });
}
template <typename V>
[[gnu::noinline]] V bitwise_or(const V& a, const V& b) {
  return words<V>([&](unsigned i) { return a.word[i] | b.word[i]; });
}
template <typename V>
[[gnu::noinline]] V bitwise_xor(const V& a, const V& b) {
  return words<V>([&](unsigned i) { return a.word[i] ^ b.word[i]; });
}
template <typename V>
[[gnu::noinline]] V shift_words_right(const V& a, unsigned bits) {
  return words<V>([&](unsigned i) { return bits > 31 ? 0 : a.word[i] >> bits; });
}
template <typename V>
[[gnu::noinline]] V shift_words_left(const V& a, unsigned bits) {
  return words<V>([&](unsigned i) { return bits > 31 ? 0 : a.word[i] << bits; });
}

/// PSHUFB: within each 16 bytes, the byte that the low four bits name; zero where the highest bit is set.
template <typename V>
[[gnu::noinline]] V shuffle_bytes(const V& a, const V& order) {
  uint8_t result[sizeof(V)];
  for (unsigned i = 0; i < sizeof(V); ++i) {
    const uint8_t from = byte(order, i);
    result[i] = (from & 0x80) != 0 ? 0 : byte(a, i / 16 * 16 + from % 16);
  }
  return as<V>(result);
}

/// PUNPCKLDQ and PUNPCKHDQ: within each 16 bytes, the words of one half of both by turns.
template <typename V>
[[gnu::noinline]] V unpack_words(const V& a, const V& b, unsigned half) {
  return words<V>([&](unsigned i) {
    const unsigned from = i / 4 * 4 + 2 * half + i % 4 / 2;
    return (i % 2 == 0 ? a : b).word[from];
  });
}
/// PUNPCKLQDQ and PUNPCKHQDQ.
template <typename V>
[[gnu::noinline]] V unpack_long_words(const V& a, const V& b, unsigned half) {
  return long_words<V>([&](unsigned i) { return long_word(i % 2 == 0 ? a : b, i / 2 * 2 + half); });
}

/// A memory operand, of any alignment.
template <typename V>
V load(const void* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <typename V>
void store(void* to, const V& v) {
  std::memcpy(to, &v, sizeof v);
}

/// Sixteen bytes in each of a register's 16-byte lanes.
template <typename V>
[[gnu::noinline]] V broadcast_lane(const Vector128& lane) {
  return words<V>([&](unsigned i) { return lane.word[i % 4]; });
}

}  // namespace
}  // namespace instruction_model
