// What the SHA-256 engines take: messages in place, and where their digests go. Plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::crypto {

/// 32 bytes in the order that SHA-256 gives them.
using Digest = std::array<uint8_t, 32>;

/// The byte that is hashed before the data without lying in front of it (RFC 6962, 2.1).
enum class Prefix : uint8_t { none, leaf, node };

/// Once, or SHA-256 of the SHA-256 as Bitcoin's ids are.
enum class Rounds : uint8_t { once, twice };

/// One message to hash. Borrows `data` and `digest` until the call that hashes it returns; `digest`
/// never lies in any message's data.
struct Message {
  const uint8_t* data = nullptr;
  Digest* digest = nullptr;
  uint32_t size = 0;
  Prefix prefix = Prefix::none;
  Rounds rounds = Rounds::once;

  /// Bytes hashed, the prefix included.
  uint64_t total() const { return uint64_t{size} + (prefix == Prefix::none ? 0 : 1); }
  /// 64-byte blocks that the hash goes through, padding included (FIPS 180-4, 5.1.1).
  uint64_t blocks() const { return (total() + 8) / 64 + 1; }
};

/// The value of a prefix byte; meaningless for Prefix::none.
constexpr uint8_t prefix_byte(Prefix prefix) {
  return prefix == Prefix::node ? 0x01 : 0x00;
}

}  // namespace sluice::crypto
