// Keys of security associations: from files, from tunnel.rekey and from the kernel, until a
// SecurityAssociation is made of them. Erased when they go.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"
#include "crypto/secret.h"
#include "ctrl/intent/tunnel_model.h"
#include "ctrl/tunnel/sequence_file.h"

namespace sluice::ctrl {

/// A key of AES-GCM and its salt (RFC 4106, 8.1).
class EspKey {
 public:
  static constexpr size_t kSaltBytes = 4;

  /// Its bytes, then four of salt; nothing where there are more or fewer than the algorithm has.
  static std::optional<EspKey> from_bytes(EspAlgorithm algorithm, std::span<const uint8_t> bytes);
  /// The same in hexadecimal digits, with or without `0x` before them.
  static Result<EspKey> from_hex(EspAlgorithm algorithm, std::string_view text);

  std::span<const uint8_t> bytes() const { return bytes_.reveal().first(size_); }
  Be32 salt() const { return load<Be32>(bytes_.reveal().data() + size_); }
  /// Of the key alone: it is one key, whatever its salt.
  KeyId id() const;
  /// Of the key as one direction of one association uses it.
  KeyId id_with(uint32_t spi) const;

 private:
  static constexpr size_t kMostBytes = 32 + kSaltBytes;
  EspKey() = default;

  crypto::SecretBytes<kMostBytes> bytes_;
  size_t size_ = 0;
};

/// One direction, as it is asked for.
struct AssociationKeys {
  uint32_t spi = 0;
  EspKey key;
  bool esn = false;
  uint32_t replay_window = kReplayWindow;  ///< of the inbound one
};

/// Reads the one line of the file that `reference` (`file:/path` or `credential:NAME`) names, which is its
/// owner's alone. No error quotes what it holds.
Result<EspKey> read_esp_key(EspAlgorithm algorithm, const std::string& reference);

}  // namespace sluice::ctrl
