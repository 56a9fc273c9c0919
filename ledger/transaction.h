// A transaction's payload under its profile: is it well-formed, and which bytes make its id.
// Pure; any thread; nothing is copied but where said.
#pragma once

#include <cstdint>
#include <span>

#include "crypto/sha256_message.h"
#include "ledger/profile.h"
#include "ledger/receipt.h"

namespace sluice::ledger {

/// The largest payload that the log takes: tlog-tiles counts entries with 16 bits.
inline constexpr size_t kMostPayload = 65535;

/// What the parser of a profile found: where the bytes of the id lie.
struct Parsed {
  bool is_valid = false;
  crypto::Rounds rounds = crypto::Rounds::once;
  /// The pieces of the payload that are hashed one after the other; unused ones are empty.
  std::span<const uint8_t> id_pieces[3];
};

/// Parses one payload. Hot path.
Parsed parse(Profile profile, std::span<const uint8_t> payload);

/// The bytes that the id is the hash of: in the payload where they are one piece, else gathered in
/// `scratch`, which has room for the whole payload. Hot path.
std::span<const uint8_t> id_bytes(const Parsed& parsed, std::span<uint8_t> scratch);

/// A transaction that was parsed and hashed, on its way to the sealing hash worker.
struct Transaction {
  const uint8_t* payload = nullptr;  ///< borrowed until Ingest::offer() returned
  uint32_t size = 0;                 ///< 1 to kMostPayload
  Profile profile = Profile::kOpaque;
  crypto::Digest txid;
  crypto::Digest leaf_hash;
  Requester requester;
};

}  // namespace sluice::ledger
