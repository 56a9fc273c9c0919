// The two DNS messages that a check needs (RFC 1035): a query, and what an answer says to it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace sluice::ctrl {

/// A query for A records of class IN that asks for recursion. `name` is dotted, with or without a dot at its
/// end; labels of 1 to 63 bytes, 253 in all. An Error says what is wrong with it.
Result<std::vector<uint8_t>> dns_query(uint16_t id, std::string_view name);

/// The RCODE (0: NOERROR) with which `message` answers `query`; nothing where it does not: another id or
/// question, or no answer at all. An error may leave the question out.
std::optional<unsigned> rcode_of_answer(std::span<const uint8_t> message, std::span<const uint8_t> query);

/// `NOERROR`, `SERVFAIL`, `RCODE 11`.
std::string name_of_rcode(unsigned rcode);

}  // namespace sluice::ctrl
