// A DNS query, and whether a message answers it (RFC 1035). Its records: ctrl/wire/dns_answer.h. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace sluice::ctrl {

inline constexpr size_t kDnsHeader = 12;  ///< bytes of a message's header
inline constexpr uint16_t kDnsClassIn = 1;

enum class DnsType : uint16_t { kA = 1, kAaaa = 28, kSrv = 33 };

/// A query for records of class IN that asks for recursion. `name` is dotted, with or without a dot at its
/// end; labels of 1 to 63 bytes, 253 in all. An Error says what is wrong with it.
Result<std::vector<uint8_t>> dns_query(uint16_t id, std::string_view name, DnsType type = DnsType::kA);
/// Adds to a query that datagrams of so many bytes are welcome (EDNS, RFC 6891).
void welcome_datagrams(std::vector<uint8_t>& query, uint16_t bytes);

/// The RCODE (0: NOERROR) with which `message` answers `query`; nothing where it does not: another id or
/// question, or no answer at all. An error may leave the question out.
std::optional<unsigned> rcode_of_answer(std::span<const uint8_t> message, std::span<const uint8_t> query);

/// `NOERROR`, `SERVFAIL`, `RCODE 11`.
std::string name_of_rcode(unsigned rcode);

}  // namespace sluice::ctrl
