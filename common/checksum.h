// The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Any thread; pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/bytes.h"

namespace sluice {

/// The unfolded one's complement sum of `size` bytes, continued from `sum`. An odd last byte counts as
/// if a zero byte followed it; so only the last piece of a message may be odd.
inline uint64_t checksum_add(const void* data, size_t size, uint64_t sum = 0) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  for (; size >= 4; bytes += 4, size -= 4) sum += load<uint32_t>(bytes);
  if (size >= 2) {
    sum += load<uint16_t>(bytes);
    bytes += 2;
    size -= 2;
  }
  if (size == 1) sum += *bytes;
  return sum;
}

/// Folds a sum to 16 bits, not complemented.
inline uint16_t checksum_fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

/// The checksum field for a sum: folded and complemented.
inline Be16 checksum_finish(uint64_t sum) {
  return Be16::from_network(static_cast<uint16_t>(~checksum_fold(sum)));
}

/// What a replaced field changes in a checksum: build one per rewrite, apply it to every checksum that
/// covers the field. Fields are 16-bit aligned within the checksummed data, as all IP, TCP, UDP and
/// ICMP fields are.
class ChecksumDelta {
 public:
  /// Notes that `size` bytes (even) at `before` become those at `after`.
  void replace(const void* before, const void* after, size_t size) {
    const auto* old_bytes = static_cast<const uint8_t*>(before);
    const auto* new_bytes = static_cast<const uint8_t*>(after);
    for (size_t i = 0; i < size; i += 2) {
      sum_ += static_cast<uint16_t>(~load<uint16_t>(old_bytes + i));
      sum_ += load<uint16_t>(new_bytes + i);
    }
  }
  void replace(Be16 before, Be16 after) {
    sum_ += static_cast<uint16_t>(~before.network());
    sum_ += after.network();
  }
  void replace(Be32 before, Be32 after) {
    sum_ += static_cast<uint32_t>(~before.network());
    sum_ += after.network();
  }
  /// Notes the changes of another part of the same data.
  void add(const ChecksumDelta& other) { sum_ += other.sum_; }
  /// RFC 1624, equation 3: HC' = ~(~HC + ~m + m').
  Be16 apply(Be16 checksum) const {
    return checksum_finish(sum_ + static_cast<uint16_t>(~checksum.network()));
  }

 private:
  uint64_t sum_ = 0;
};

}  // namespace sluice
