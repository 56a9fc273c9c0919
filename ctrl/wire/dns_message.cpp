#include "ctrl/wire/dns_message.h"

#include <algorithm>
#include <array>

namespace sluice::ctrl {
namespace {

void put16(std::vector<uint8_t>& bytes, uint16_t value) {
  bytes.push_back(static_cast<uint8_t>(value >> 8));
  bytes.push_back(static_cast<uint8_t>(value));
}

uint8_t without_case(uint8_t byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<uint8_t>(byte + 32) : byte;
}

/// Names compare without regard to case (RFC 4343). A length byte is below 64, so it is no letter, and type
/// and class here are none either.
bool same_question(std::span<const uint8_t> one, std::span<const uint8_t> other) {
  return one.size() == other.size() && std::ranges::equal(one, other, {}, without_case, without_case);
}

/// The one question of a query that dns_query() made: a name without pointers, type and class.
std::span<const uint8_t> question_of(std::span<const uint8_t> query) {
  size_t end = kDnsHeader;
  while (end < query.size() && query[end] != 0) end += 1u + query[end];
  return query.subspan(kDnsHeader, std::min(end + 5, query.size()) - kDnsHeader);
}

}  // namespace

Result<std::vector<uint8_t>> dns_query(uint16_t id, std::string_view name, DnsType type) {
  std::vector<uint8_t> query;
  put16(query, id);
  put16(query, 0x0100);  // RD
  put16(query, 1);       // one question
  for (int i = 0; i < 3; ++i) put16(query, 0);
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.size() > 253) return fail("a name has at most 253 bytes");
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    if (label.empty() || label.size() > 63 || label.size() + 1 == name.size()) {
      return fail("each label of a name has 1 to 63 bytes");
    }
    query.push_back(static_cast<uint8_t>(label.size()));
    query.insert(query.end(), label.begin(), label.end());
    name.remove_prefix(std::min(label.size() + 1, name.size()));
  }
  query.push_back(0);
  put16(query, static_cast<uint16_t>(type));
  put16(query, kDnsClassIn);
  return query;
}

void welcome_datagrams(std::vector<uint8_t>& query, uint16_t bytes) {
  constexpr uint16_t kTypeOpt = 41;
  query[11] = 1;       // one additional record
  query.push_back(0);  // the root's
  put16(query, kTypeOpt);
  put16(query, bytes);  // its class
  put16(query, 0);      // its TTL: extended RCODE, version and flags
  put16(query, 0);
  put16(query, 0);  // no options
}

std::optional<unsigned> rcode_of_answer(std::span<const uint8_t> message, std::span<const uint8_t> query) {
  if (message.size() < kDnsHeader || query.size() < kDnsHeader) return std::nullopt;
  const bool same_id = message[0] == query[0] && message[1] == query[1];
  const bool is_answer = (message[2] & 0x80) != 0;
  const bool is_query_opcode = (message[2] & 0x78) == 0;
  if (!same_id || !is_answer || !is_query_opcode) return std::nullopt;
  const unsigned rcode = message[3] & 0x0f;
  const unsigned questions = static_cast<unsigned>(message[4]) << 8 | message[5];
  if (questions == 0 && rcode != 0) return rcode;
  const auto question = question_of(query);
  if (questions != 1 || message.size() < kDnsHeader + question.size()) return std::nullopt;
  if (!same_question(message.subspan(kDnsHeader, question.size()), question)) return std::nullopt;
  return rcode;
}

std::string name_of_rcode(unsigned rcode) {
  constexpr std::array kNames = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};
  return rcode < kNames.size() ? kNames[rcode] : "RCODE " + std::to_string(rcode);
}

}  // namespace sluice::ctrl
