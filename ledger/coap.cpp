#include "ledger/coap.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "common/bytes.h"
#include "ledger/receipt.h"

namespace sluice::ledger::coap {
namespace {

constexpr size_t kHeaderBytes = 4;
constexpr uint8_t kVersion = 1;
constexpr uint8_t kPayloadMarker = 0xff;
constexpr uint8_t kPost = 2;
constexpr uint8_t kLastMethod = 4;  // DELETE; the methods of RFC 8132 are unknown here
constexpr uint16_t kContentFormatCbor = 60;

constexpr uint8_t code(unsigned code_class, unsigned detail) {
  return static_cast<uint8_t>(code_class << 5 | detail);
}

// RFC 7252, 12.2, and RFC 7959 for Block1.
enum Option : uint32_t {
  kUriHost = 3,
  kUriPort = 7,
  kUriPath = 11,
  kContentFormat = 12,
  kMaxAge = 14,
  kUriQuery = 15,
  kAccept = 17,
  kBlock1 = 27,
  kProxyUri = 35,
  kProxyScheme = 39,
};

struct OptionRule {
  uint16_t least = 0;  // bytes
  uint16_t most = 0;
  bool is_repeatable = false;
  bool is_known = false;
};
/// By number.
constexpr auto kRules = [] {
  std::array<OptionRule, kProxyScheme + 1> rules{};
  rules[kUriHost] = {1, 255, false, true};
  rules[kUriPort] = {0, 2, false, true};
  rules[kUriPath] = {0, 255, true, true};
  rules[kUriQuery] = {0, 255, true, true};
  rules[kContentFormat] = {0, 2, false, true};
  rules[kAccept] = {0, 2, false, true};
  return rules;
}();

bool is_critical(uint32_t number) {
  return (number & 1) != 0;
}

// What the options of a request add up to.
struct Options {
  bool is_well_formed = true;
  bool has_unknown_critical = false;
  bool has_proxy = false;
  bool has_block1 = false;
  bool is_acceptable = true;
  unsigned path_segments = 0;
  bool is_transaction_path = false;
  const uint8_t* end = nullptr;  // the payload marker, or the end of the datagram

  void note(uint32_t number, bool is_repeated, std::span<const uint8_t> value) {
    if (number == kProxyUri || number == kProxyScheme) {
      has_proxy = true;  // RFC 7252, 5.7.2 and 5.10.2: 5.05 where there is no proxy
      return;
    }
    if (number == kBlock1) {
      has_block1 = true;
      return;
    }
    const OptionRule rule = number < kRules.size() ? kRules[number] : OptionRule{};
    // RFC 7252, 5.4.3 and 5.4.5: a wrong length and a surplus occurrence count as unrecognized.
    const bool is_understood = rule.is_known && value.size() >= rule.least && value.size() <= rule.most &&
                               (rule.is_repeatable || !is_repeated);
    if (!is_understood) {
      has_unknown_critical |= is_critical(number);
    } else if (number == kUriPath) {
      is_transaction_path = ++path_segments == 1 && value.size() == 2 && value[0] == 't' && value[1] == 'x';
    } else if (number == kAccept) {
      unsigned format = 0;
      for (const uint8_t byte : value) format = format << 8 | byte;
      is_acceptable = format == kContentFormatCbor;
    }
  }
};

// The delta or length of an option with its extended bytes (RFC 7252, 3.1). False: a format error.
bool read_extended(unsigned nibble, const uint8_t*& at, const uint8_t* end, uint32_t& value) {
  const ptrdiff_t extra = nibble == 13 ? 1 : nibble == 14 ? 2 : 0;
  if (nibble == 15 || end - at < extra) return false;
  value = nibble;
  if (extra == 1) value = 13u + at[0];
  if (extra == 2) value = 269u + load<Be16>(at).host();
  at += extra;
  return true;
}

Options read_options(const uint8_t* at, const uint8_t* end) {
  Options options;
  uint32_t number = 0;
  bool is_first = true;
  while (at != end && *at != kPayloadMarker) {
    const uint8_t head = *at++;
    uint32_t delta = 0;
    uint32_t size = 0;
    if (!read_extended(head >> 4, at, end, delta) || !read_extended(head & 15, at, end, size) ||
        static_cast<size_t>(end - at) < size || number + delta > UINT16_MAX) {
      options.is_well_formed = false;
      return options;
    }
    number += delta;
    options.note(number, delta == 0 && !is_first, {at, size});
    at += size;
    is_first = false;
  }
  options.end = at;
  // A marker that no payload follows is a format error (RFC 7252, 3).
  options.is_well_formed = at == end || end - at > 1;
  return options;
}

void refuse(Request& request, Refusal refusal, Outcome outcome) {
  request.action = Action::kAnswer;
  request.refusal = refusal;
  request.outcome = outcome;
}

// A message that is rejected without an answer: reset where it is confirmable (RFC 7252, 4.2 and 4.3).
void reject(Request& request) {
  request.action = request.exchange.type == Type::kConfirmable ? Action::kReset : Action::kIgnore;
}

void judge(Request& request, uint8_t method, const Options& options, const uint8_t* end,
           size_t most_payload) {
  if (options.has_unknown_critical) {
    request.outcome = Outcome::kRefusedOption;
    if (request.exchange.type == Type::kNonConfirmable) return;  // RFC 7252, 5.4.1: silence
    return refuse(request, Refusal::kBadOption402, Outcome::kRefusedOption);
  }
  if (options.has_proxy) return refuse(request, Refusal::kProxyingNotSupported505, Outcome::kRefusedProxy);
  if (method > kLastMethod) return refuse(request, Refusal::kMethodNotAllowed405, Outcome::kRefusedMethod);
  if (!options.is_transaction_path) return refuse(request, Refusal::kNotFound404, Outcome::kRefusedPath);
  if (method != kPost) return refuse(request, Refusal::kMethodNotAllowed405, Outcome::kRefusedMethod);
  if (!options.is_acceptable) return refuse(request, Refusal::kNotAcceptable406, Outcome::kRefusedAccept);
  if (options.has_block1) return refuse(request, Refusal::kTooLarge413, Outcome::kRefusedTooLarge);
  if (options.end == end) return refuse(request, Refusal::kBadRequest400, Outcome::kRefusedMalformed);
  request.payload = {options.end + 1, end};
  if (request.payload.size() > most_payload)
    return refuse(request, Refusal::kTooLarge413, Outcome::kRefusedTooLarge);
  request.action = Action::kSubmit;
}

struct Code {
  uint8_t code;
  std::string_view text;  // what a refusal without a better reason says
};
constexpr Code kCodes[] = {
    {code(4, 0), "malformed transaction"},
    {code(4, 2), "critical option not understood"},
    {code(4, 4), "the path is /tx"},
    {code(4, 5), "the method is POST"},
    {code(4, 6), "the answer has Content-Format 60"},
    {code(4, 13), "transaction too large, or in blocks"},
    {code(4, 29), "over the rate of this source"},
    {code(5, 3), "unavailable"},
    {code(5, 5), "no proxy"},
};

std::string_view text_of(Refusal refusal, Outcome outcome) {
  if (outcome == Outcome::kDroppedDiskFull) return "disk full or not answering";
  if (outcome == Outcome::kDroppedStopping) return "stopping";
  if (outcome == Outcome::kDroppedRingFull || outcome == Outcome::kDroppedWindowFull) return "busy";
  return kCodes[static_cast<size_t>(refusal)].text;
}

// A piggybacked acknowledgement, or a non-confirmable message of its own (RFC 7252, 5.2.1 and 5.2.3).
uint8_t* put_header(uint8_t* at, const Exchange& exchange, uint16_t own_message_id, uint8_t response) {
  const bool is_piggybacked = exchange.type == Type::kConfirmable;
  const Type type = is_piggybacked ? Type::kAcknowledgement : Type::kNonConfirmable;
  at[0] = static_cast<uint8_t>(kVersion << 6 | static_cast<uint8_t>(type) << 4 | exchange.token_size);
  at[1] = response;
  store(at + 2, Be16::from_host(is_piggybacked ? exchange.message_id : own_message_id));
  return std::copy_n(exchange.token.begin(), exchange.token_size, at + kHeaderBytes);
}

}  // namespace

Request parse(std::span<const uint8_t> datagram, size_t most_payload) {
  Request request;
  if (datagram.size() < kHeaderBytes || datagram[0] >> 6 != kVersion) {
    request.is_received = !datagram.empty();
    return request;
  }
  const uint8_t* const end = datagram.data() + datagram.size();
  const uint8_t first_byte = datagram[0];
  const uint8_t message_code = datagram[1];
  request.exchange.type = static_cast<Type>(first_byte >> 4 & 3);
  request.exchange.message_id = load<Be16>(&datagram[2]).host();
  // Nothing was asked, so an acknowledgement or a reset is stray, whatever it carries.
  if (request.exchange.type >= Type::kAcknowledgement) return request;
  const size_t token_size = first_byte & 15;
  if (message_code == 0) {
    request.is_received = datagram.size() != kHeaderBytes || token_size != 0;  // else a ping: RFC 7252, 4.3
    reject(request);
    return request;
  }
  request.is_received = true;
  const unsigned code_class = message_code >> 5;
  if (code_class == 1 || code_class >= 6) {
    request.action = Action::kReset;
    return request;
  }
  if (code_class != 0 || token_size > 8 || datagram.size() < kHeaderBytes + token_size) {
    reject(request);
    return request;
  }
  request.exchange.token_size = static_cast<uint8_t>(token_size);
  std::memcpy(request.exchange.token.data(), &datagram[kHeaderBytes], token_size);
  const Options options = read_options(datagram.data() + kHeaderBytes + token_size, end);
  if (options.is_well_formed) {
    judge(request, message_code, options, end, most_payload);
  } else {
    reject(request);
  }
  return request;
}

size_t write_receipt(const Exchange& exchange, uint16_t own_message_id, const Receipt& receipt,
                     std::span<uint8_t, kMostAnswerBytes> out) {
  static_assert(kHeaderBytes + 8 + 2 + 1 + kMostReceiptBytes <= kMostAnswerBytes);
  uint8_t* at = put_header(out.data(), exchange, own_message_id, code(2, 1));
  *at++ = kContentFormat << 4 | 1;
  *at++ = kContentFormatCbor;
  *at++ = kPayloadMarker;
  at += encode_cbor(receipt, std::span<uint8_t, kMostReceiptBytes>(at, kMostReceiptBytes));
  return static_cast<size_t>(at - out.data());
}

size_t write_refusal(const Exchange& exchange, uint16_t own_message_id, Refusal refusal, Outcome outcome,
                     uint8_t max_age_seconds, std::span<uint8_t, kMostAnswerBytes> out) {
  uint8_t* at = put_header(out.data(), exchange, own_message_id, kCodes[static_cast<size_t>(refusal)].code);
  if (refusal == Refusal::kTooManyRequests429 || refusal == Refusal::kUnavailable503) {
    *at++ = 13 << 4 | 1;  // delta in one extended byte, one byte of value
    *at++ = kMaxAge - 13;
    *at++ = max_age_seconds;
  }
  *at++ = kPayloadMarker;
  const std::string_view text = text_of(refusal, outcome);
  at = std::copy(text.begin(), text.end(), at);
  return static_cast<size_t>(at - out.data());
}

size_t write_reset(const Exchange& exchange, std::span<uint8_t, kMostAnswerBytes> out) {
  out[0] = kVersion << 6 | static_cast<uint8_t>(Type::kReset) << 4;
  out[1] = 0;
  store(&out[2], Be16::from_host(exchange.message_id));
  return kHeaderBytes;
}

Refusal refusal_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kRefusedMalformed:
      return Refusal::kBadRequest400;
    case Outcome::kRefusedOption:
      return Refusal::kBadOption402;
    case Outcome::kRefusedPath:
      return Refusal::kNotFound404;
    case Outcome::kRefusedMethod:
      return Refusal::kMethodNotAllowed405;
    case Outcome::kRefusedAccept:
      return Refusal::kNotAcceptable406;
    case Outcome::kRefusedProxy:
      return Refusal::kProxyingNotSupported505;
    case Outcome::kRefusedTooLarge:
      return Refusal::kTooLarge413;
    case Outcome::kRefusedRate:
      return Refusal::kTooManyRequests429;
    case Outcome::kStored:
    case Outcome::kDuplicate:
    case Outcome::kDroppedRingFull:
    case Outcome::kDroppedWindowFull:
    case Outcome::kDroppedDiskFull:
    case Outcome::kDroppedStopping:
      break;
  }
  return Refusal::kUnavailable503;
}

}  // namespace sluice::ledger::coap
