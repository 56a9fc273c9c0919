// The verifier's own reading of keys and checkpoints: strict, and apart from the code that writes them.
// Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "crypto/sha256_message.h"
#include "ledger/verify.h"

namespace sluice::ledger {

/// A C2SP verifier key, taken apart.
struct VerifyKey {
  std::string name;
  std::array<uint8_t, 4> id{};
  std::array<uint8_t, 32> key{};
};

/// What a checkpoint says, once its signature was found right.
struct VerifyCheckpoint {
  uint64_t size = 0;
  crypto::Digest root{};
};

template <typename T>
using Verified = tl::expected<T, VerifyFault>;

/// Reads one line, `<name>+<id>+<base64>`, with its line end. `file` names where it stands.
Verified<VerifyKey> read_verify_key(std::string_view line, const std::string& file);

/// Checks a checkpoint: three text lines, an empty one, one signature by `key`, and nothing else.
Verified<VerifyCheckpoint> read_verify_checkpoint(std::string_view note, const VerifyKey& key);

std::string hex_of(const crypto::Digest& digest);

}  // namespace sluice::ledger
