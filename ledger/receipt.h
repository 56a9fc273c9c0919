// The receipt: what a client holds once its transaction is durable, and who is to get it.
// Plain values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "common/address.h"
#include "common/bytes.h"
#include "crypto/sha256_message.h"
#include "ledger/coap.h"
#include "ledger/outcome.h"

namespace sluice::ledger {

/// Where a transaction lies in the log. Sent only once its block is on stable storage.
struct Receipt {
  crypto::Digest txid{};       ///< the id of the profile, in SHA-256's byte order
  uint64_t index = 0;          ///< of the leaf
  crypto::Digest leaf_hash{};  ///< SHA-256(0x00 | payload)
  uint64_t block = 0;
  uint64_t tree_size = 0;  ///< after that block
};

/// The longest encoding: a map head, five one-byte keys, two 32-byte strings, three 64-bit integers.
inline constexpr size_t kMostReceiptBytes = 1 + 5 + 2 * (2 + 32) + 3 * 9;

/// Writes the CBOR map {1: txid, 2: index, 3: leaf hash, 4: block, 5: tree size}, deterministically
/// encoded (RFC 8949, 4.2.1), and returns its size. Hot path.
size_t encode_cbor(const Receipt& receipt, std::span<uint8_t, kMostReceiptBytes> out);

/// How an answer travels, if one does.
enum class Channel : uint8_t {
  kNone,     ///< raw framing: nothing is answered
  kCoap,     ///< a CoAP message to address and port; `ticket` is CoapExchanges' own
  kControl,  ///< `ledger.submit`: `ticket` names the request of the control thread
};

/// Who is to get the answer. The ledger carries it and reads nothing but `channel`.
struct Requester {
  Channel channel = Channel::kNone;
  uint8_t home = 0;     ///< the hash worker that parsed the request and builds the answer
  uint8_t worker = 0;   ///< the worker that received it and transmits
  uint8_t ingress = 0;  ///< its place in `ledger.ingress`
  Be16 port;            ///< the client's
  uint16_t device = 0;  ///< the configured port that it came in by
  IpAddress address;    ///< the client's
  coap::Exchange exchange;
  uint64_t ticket = 0;
  uint64_t received_ns = 0;  ///< monotonic, for `sluice_ledger_ack_seconds`
};

/// What to tell a requester. `receipt` has a value only where has_receipt(outcome).
struct Answer {
  Requester requester;
  Outcome outcome = Outcome::kStored;
  Receipt receipt;
};

}  // namespace sluice::ledger
