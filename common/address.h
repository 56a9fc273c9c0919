// IP addresses of both families in one 16-byte value, prefixes of them, and MAC addresses.
// Any thread; plain values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"

namespace sluice {

/// An IPv4 or IPv6 address. IPv4 is kept IPv4-mapped (::ffff:a.b.c.d, RFC 4291 2.5.5.2), so the 16
/// bytes are also the address in hashes and endpoints.
class IpAddress {
 public:
  /// The third 32-bit word of an IPv4 address; the fourth is the address, the first two are zero.
  static constexpr uint32_t kMappedMark = 0xffff0000;  // bytes 00 00 ff ff, read little-endian

  /// The unspecified IPv6 address, `::`.
  constexpr IpAddress() = default;
  static IpAddress v4(Be32 address) {
    IpAddress result;
    // As one word: readers load words, and would wait for two halves to leave the store buffer.
    store(result.bytes_.data() + 8, uint64_t{address.network()} << 32 | kMappedMark);
    return result;
  }
  /// Copies 16 bytes in network order. A mapped IPv4 address given here counts as IPv4.
  static IpAddress v6(const void* bytes16) {
    IpAddress result;
    std::memcpy(result.bytes_.data(), bytes16, 16);
    return result;
  }
  /// Parses the textual forms of RFC 4291 and dotted quads; refuses zones, ports and prefixes.
  static Result<IpAddress> parse(std::string_view text);

  bool is_v4() const {
    return load<uint64_t>(bytes_.data()) == 0 && load<uint32_t>(bytes_.data() + 8) == kMappedMark;
  }
  bool is_v6() const { return !is_v4(); }
  /// The IPv4 address; only for is_v4().
  Be32 as_v4() const { return load<Be32>(bytes_.data() + 12); }
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  /// `192.0.2.1`, or RFC 5952's form for IPv6.
  std::string to_string() const;

  bool operator==(const IpAddress& other) const {
    return load<uint64_t>(bytes_.data()) == load<uint64_t>(other.bytes_.data()) &&
           load<uint64_t>(bytes_.data() + 8) == load<uint64_t>(other.bytes_.data() + 8);
  }
  auto operator<=>(const IpAddress& other) const = default;

 private:
  alignas(8) std::array<uint8_t, 16> bytes_{};
};
static_assert(sizeof(IpAddress) == 16);

/// An address block. `length` counts bits of the family's own width: 0..32 for IPv4, 0..128 for IPv6.
struct Prefix {
  IpAddress address;   ///< the network address; host bits are zero
  uint8_t length = 0;  ///< bits

  /// Parses `address/length`, or an address alone as a full-length prefix. Host bits must be zero
  /// unless `keep_host_bits`, where the address is taken as it stands (an interface address).
  static Result<Prefix> parse(std::string_view text, bool keep_host_bits = false);
  bool contains(const IpAddress& candidate) const;
  bool overlaps(const Prefix& other) const;
  /// This prefix with its host bits cleared.
  Prefix network() const;
  std::string to_string() const;
  auto operator<=>(const Prefix&) const = default;
};

/// `address` with all but its first `length` bits (of its own family) cleared.
IpAddress mask(const IpAddress& address, uint8_t length);

struct MacAddress {
  std::array<uint8_t, 6> bytes{};

  /// Parses six hexadecimal octets separated by colons.
  static Result<MacAddress> parse(std::string_view text);
  bool is_multicast() const { return (bytes[0] & 1) != 0; }
  bool is_zero() const { return bytes == std::array<uint8_t, 6>{}; }
  std::string to_string() const;
  bool operator==(const MacAddress& other) const {
    return load<uint32_t>(bytes.data()) == load<uint32_t>(other.bytes.data()) &&
           load<uint16_t>(bytes.data() + 4) == load<uint16_t>(other.bytes.data() + 4);
  }
  auto operator<=>(const MacAddress&) const = default;
};

}  // namespace sluice
