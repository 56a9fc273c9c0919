// Byte order as a type, and unaligned loads and stores. Any thread; owns nothing.
#pragma once

#include <bit>
#include <compare>
#include <concepts>
#include <cstdint>
#include <cstring>

namespace sluice {

static_assert(std::endian::native == std::endian::little, "Sluice runs on little-endian machines");

template <std::unsigned_integral T>
constexpr T byte_swap(T value) {
  if constexpr (sizeof(T) == 1) {
    return value;
  } else if constexpr (sizeof(T) == 2) {
    return __builtin_bswap16(value);
  } else if constexpr (sizeof(T) == 4) {
    return __builtin_bswap32(value);
  } else {
    return __builtin_bswap64(value);
  }
}

/// An unsigned integer kept in network byte order. Converts only when asked to, so that a forgotten
/// swap does not compile. Its alignment is 1, so that headers built of it lie on any byte.
template <std::unsigned_integral T>
class [[gnu::packed]] Be {
 public:
  constexpr Be() = default;
  static constexpr Be from_host(T value) { return Be(byte_swap(value)); }
  static constexpr Be from_network(T raw) { return Be(raw); }
  /// The value in host order.
  constexpr T host() const { return byte_swap(raw_); }
  /// The bytes as they lie on the wire, for hashing and checksums.
  constexpr T network() const { return raw_; }
  constexpr bool operator==(Be other) const { return raw_ == other.raw_; }
  constexpr auto operator<=>(Be other) const { return host() <=> other.host(); }

 private:
  constexpr explicit Be(T raw) : raw_(raw) {}
  T raw_ = 0;
};

using Be16 = Be<uint16_t>;
using Be32 = Be<uint32_t>;
using Be64 = Be<uint64_t>;

/// Reads a T from an address of any alignment.
template <typename T>
T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/// Writes a T to an address of any alignment.
template <typename T>
void store(void* to, const T& value) {
  std::memcpy(to, &value, sizeof value);
}

}  // namespace sluice
