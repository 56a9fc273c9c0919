// SHA-256 through OpenSSL's low-level calls, one message at a time: the engine that every CPU has, the
// oracle of the self-test, and the way of single hashes. Any thread; no state, no allocation.
#pragma once

#include <span>

#include "crypto/sha256_message.h"

namespace sluice::crypto {

/// SHA-256 of one run of bytes (FIPS 180-4).
Digest sha256(std::span<const uint8_t> data);

/// The leaf hash of RFC 6962, 2.1: SHA-256(0x00 | entry).
Digest sha256_leaf(std::span<const uint8_t> entry);

/// The inner node of RFC 6962, 2.1: SHA-256(0x01 | left | right).
Digest sha256_node(const Digest& left, const Digest& right);

/// Hashes one message as it says.
void sha256_message(const Message& message);

/// A hash over bytes that come in pieces.
class Sha256Stream {
 public:
  Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;

  void update(std::span<const uint8_t> data);
  /// The digest of all the pieces; the stream then starts anew.
  Digest finish();

 private:
  alignas(8) std::array<uint8_t, 128> context_;  // a SHA256_CTX, whose header stays in the source file
};

/// The engine: see crypto/sha256.h for what its calls promise.
class OpenSslSha256 {
 public:
  static constexpr size_t kBatch = 1;

  void hash(std::span<const Message> messages);
  void hash_nodes(std::span<const Digest> children, std::span<Digest> parents);
};

}  // namespace sluice::crypto
