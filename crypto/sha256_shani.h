// SHA-256 with the SHA extensions: the engine of CPUs that have them and lack AVX-512. Four messages at a
// time fill it, two nearly do, so that no message waits for others. Any thread; no state, no allocation.
#pragma once

#include <optional>
#include <span>

#include "crypto/sha256_kernels.h"

namespace sluice::crypto {

/// Whether this CPU has the SHA extensions, and AVX beside them.
bool has_sha_ni();

/// The engine: see crypto/sha256.h for what its calls promise.
class ShaNiSha256 {
 public:
  static constexpr size_t kBatch = 4;

  /// Nothing where has_sha_ni() is false.
  static std::optional<ShaNiSha256> create();

  void hash(std::span<const Message> messages) { sha256_shani(messages.data(), messages.size()); }
  void hash_nodes(std::span<const Digest> children, std::span<Digest> parents) {
    if (parents.empty()) return;
    sha256_shani_nodes(children.front().data(), parents.front().data(), parents.size());
  }

 private:
  ShaNiSha256() = default;
};

}  // namespace sluice::crypto
