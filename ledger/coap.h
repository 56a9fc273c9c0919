// CoAP (RFC 7252) as far as the ledger ingress speaks it: a strict reader of requests, and answers.
// Pure; any thread; nothing is copied or allocated.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ledger/outcome.h"

namespace sluice::ledger {
struct Receipt;
}

namespace sluice::ledger::coap {

/// RFC 7252, 3: the two bits after the version.
enum class Type : uint8_t { kConfirmable = 0, kNonConfirmable = 1, kAcknowledgement = 2, kReset = 3 };

/// What an answer must repeat of its request.
struct Exchange {
  uint16_t message_id = 0;
  Type type = Type::kConfirmable;
  uint8_t token_size = 0;  ///< 0 to 8
  std::array<uint8_t, 8> token{};
};

/// What a datagram asks for.
enum class Action : uint8_t {
  kSubmit,  ///< a transaction is in `payload`
  kAnswer,  ///< a request that is refused: answer with write_refusal(refusal)
  kReset,   ///< answer with write_reset()
  kIgnore,  ///< say nothing
};

/// Why a request is refused: the response code, as RFC 7252, 12.1.2 writes it, is in the name.
enum class Refusal : uint8_t {
  kBadRequest400,
  kBadOption402,
  kNotFound404,
  kMethodNotAllowed405,
  kNotAcceptable406,
  kTooLarge413,
  kTooManyRequests429,
  kUnavailable503,
  kProxyingNotSupported505,
};

struct Request {
  Action action = Action::kIgnore;
  /// Whether the datagram counts as received: a ping, another empty message or a stray acknowledgement
  /// is none. Where it counts and is not submitted, it ended as `outcome`.
  bool is_received = false;
  Outcome outcome = Outcome::kRefusedMalformed;
  Refusal refusal = Refusal::kBadRequest400;
  Exchange exchange;
  std::span<const uint8_t> payload;  ///< lies in the datagram; only for kSubmit, never empty there
};

/// Reads one UDP payload. Transactions of more than `most_payload` bytes are refused. Hot path.
Request parse(std::span<const uint8_t> datagram, size_t most_payload);

/// The longest answer: header, token, Content-Format, marker, receipt or a refusal's text. No answer is
/// larger than its request plus 128 bytes.
inline constexpr size_t kMostAnswerBytes = 128;

/// Writes 2.01 Created with the receipt, piggybacked on the acknowledgement of a confirmable request and
/// non-confirmable with `own_message_id` otherwise (RFC 7252, 5.2). Returns the size. Hot path.
size_t write_receipt(const Exchange& exchange, uint16_t own_message_id, const Receipt& receipt,
                     std::span<uint8_t, kMostAnswerBytes> out);

/// Writes a refusal, with the reason in a few words as its payload (RFC 7252, 5.5.2). `max_age_seconds`,
/// 1 to 60, is told with 4.29 and 5.03 only. Returns the size. Hot path.
size_t write_refusal(const Exchange& exchange, uint16_t own_message_id, Refusal refusal, Outcome outcome,
                     uint8_t max_age_seconds, std::span<uint8_t, kMostAnswerBytes> out);

/// Writes the reset that rejects a message (RFC 7252, 4.2). Returns its size, 4.
size_t write_reset(const Exchange& exchange, std::span<uint8_t, kMostAnswerBytes> out);

/// The refusal that tells of an outcome without receipt.
Refusal refusal_of(Outcome outcome);

}  // namespace sluice::ledger::coap
