// ESP as it lies on the wire (RFC 4303), with AES-GCM (RFC 4106), and within UDP (RFC 3948):
//
//   SPI 4 | sequence number 4 | IV 8 | inner packet, padding, its length 1, next header 1 | ICV 16
//
// What lies between the IV and the ICV is encrypted. Pure functions on numbers and bytes; any thread.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/bytes.h"
#include "common/headers.h"

namespace sluice::dataplane {

struct EspHeader {
  Be32 spi;
  Be32 sequence;  ///< the lower half, with extended sequence numbers
  Be64 iv;
};
static_assert(sizeof(EspHeader) == 16);

struct EspTrailer {
  uint8_t padding;
  IpProtocol next_header;
};
static_assert(sizeof(EspTrailer) == 2);

inline constexpr size_t kIcvBytes = 16;
inline constexpr size_t kLeastEspBytes = sizeof(EspHeader) + sizeof(EspTrailer) + kIcvBytes;
inline constexpr uint8_t kNatKeepalive = 0xff;  ///< the only byte of a datagram (RFC 3948, 2.3)

/// Where key managers of the two ends talk (RFC 7296, 2), which no tunnel carries.
constexpr bool is_ike_port(uint16_t port) {
  return port == 500 || port == UdpHeader::kEspPort;
}

/// Bytes of padding behind an inner packet: the trailer ends on a word (RFC 4303, 2.4).
constexpr size_t esp_padding(size_t inner_bytes) {
  return (4 - (inner_bytes + sizeof(EspTrailer)) % 4) % 4;
}
/// All that a tunnel makes of an inner packet, behind the outer headers.
constexpr size_t esp_bytes(size_t inner_bytes) {
  return kLeastEspBytes + inner_bytes + esp_padding(inner_bytes);
}
/// The largest inner packet of which the result, behind headers of `outer_bytes`, fits `mtu`.
constexpr size_t most_inner_bytes(size_t mtu, size_t outer_bytes) {
  const size_t around = outer_bytes + sizeof(EspHeader) + kIcvBytes;
  if (mtu < around + 4) return 0;
  return (mtu - around) / 4 * 4 - sizeof(EspTrailer);
}

/// A packet's nonce, and its associated data, which are authenticated and not encrypted (RFC 4106, 3 to 5).
/// Each is written by one store: a load of what several smaller stores wrote would wait until these have
/// reached the cache.
class EspNonce {
 public:
  EspNonce(Be32 salt, Be64 iv) {
    const uint64_t low = salt.network() | iv.network() << 32, high = iv.network() >> 32;
    store(bytes_.data(), _mm_set_epi64x(static_cast<int64_t>(high), static_cast<int64_t>(low)));
  }
  std::span<const uint8_t, 12> bytes() const { return std::span(bytes_).first<12>(); }

 private:
  alignas(16) std::array<uint8_t, 16> bytes_;
};
class EspAssociatedData {
 public:
  EspAssociatedData(Be32 spi, uint64_t number, bool is_extended) : size_(is_extended ? 12 : 8) {
    const uint64_t low = Be32::from_host(static_cast<uint32_t>(number)).network();
    const uint64_t high = Be32::from_host(static_cast<uint32_t>(number >> 32)).network();
    const uint64_t second = is_extended ? high : low;
    store(bytes_.data(), _mm_set_epi64x(static_cast<int64_t>(low),  // beyond size_ without ESN
                                        static_cast<int64_t>(spi.network() | second << 32)));
  }
  std::span<const uint8_t> bytes() const { return std::span(bytes_).first(size_); }

 private:
  alignas(16) std::array<uint8_t, 16> bytes_;
  size_t size_;
};

/// The number whose lower half is `low`, nearest to a window of `window` numbers up to `highest` (RFC 4303,
/// A2.2).
constexpr uint64_t extended_number(uint32_t low, uint64_t highest, uint32_t window) {
  const auto highest_low = static_cast<uint32_t>(highest);
  const uint64_t high = highest >> 32;
  const uint32_t bottom =
      highest_low - window + 1;  // wraps where the window reaches into the subspace before
  uint64_t found = high;
  if (highest_low >= window - 1) {
    if (low < bottom) found = high + 1;
  } else if (low >= bottom && high > 0) {
    found = high - 1;
  }
  return found << 32 | low;
}

}  // namespace sluice::dataplane
