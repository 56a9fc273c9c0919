// C2SP signed-note with Ed25519 keys (algorithm 0x01): key lines, signing, opening. Off the hot path:
// calls allocate. A key may be used by one thread at a time.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "common/result.h"
#include "crypto/secret.h"
#include "crypto/signature.h"

namespace sluice::crypto {

/// The first four bytes of SHA-256(name | "\n" | 0x01 | public key), as a big-endian number.
uint32_t note_key_id(std::string_view name, const Ed25519PublicBytes& key);

/// A key that notes are checked with.
class NoteVerifier {
 public:
  /// Reads `<name>+<key id>+<base64>`, with or without a line end.
  static Result<NoteVerifier> parse(std::string_view line);
  static Result<NoteVerifier> create(std::string_view name, const Ed25519PublicBytes& key);

  /// The verifier key, as parse() reads it, without a line end.
  std::string line() const;

  const std::string& name() const { return name_; }
  uint32_t key_id() const { return key_id_; }
  bool verify(std::string_view text, std::span<const uint8_t> signature) const;

 private:
  NoteVerifier(std::string_view name, Ed25519PublicKey key);

  std::string name_;
  uint32_t key_id_;
  Ed25519PublicKey key_;
};

/// A key that notes are signed with.
class NoteSigner {
 public:
  /// Reads `PRIVATE+KEY+<name>+<key id>+<base64>`, with or without a line end. No error quotes it.
  static Result<NoteSigner> parse(std::string_view line);
  /// A new key of that name.
  static Result<NoteSigner> generate(std::string_view name);

  /// The private key, as parse() reads it, without a line end.
  SecretText private_line() const;
  /// The key that checks what this one signs.
  const NoteVerifier& verifier() const { return verifier_; }

  /// The signed note: `text`, an empty line, one signature line. The text is UTF-8, ends with a newline
  /// and has no other control character.
  Result<std::string> sign(std::string_view text) const;

 private:
  NoteSigner(Ed25519PrivateKey key, NoteVerifier verifier)
      : key_(std::move(key)), verifier_(std::move(verifier)) {}
  static Result<NoteSigner> create(std::string_view name, Ed25519PrivateKey key);

  Ed25519PrivateKey key_;
  NoteVerifier verifier_;
};

/// The text of a well-formed note that a known key has signed. Signatures of other keys are passed
/// over; a wrong one of a known key fails the note. The result lies in `note`.
Result<std::string_view> open_note(std::string_view note, std::span<const NoteVerifier> known);

}  // namespace sluice::crypto
