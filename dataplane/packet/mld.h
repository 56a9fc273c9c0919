// Multicast listener discovery of IPv6 (MLDv2, RFC 3810, and the MLDv1 of RFC 2710 that it stays compatible
// with), as a listener speaks it: queries read, reports written. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "common/address.h"
#include "common/headers.h"

namespace sluice::dataplane {

/// A querier asks who listens.
struct MldQuery {
  uint8_t version = 2;         ///< 1 or 2
  IpAddress group;             ///< `::`: to whatever
  uint32_t most_delay_ms = 0;  ///< the answer comes within that time, at random
};

/// Reads an IPv6 packet whose ICMPv6 header is at `icmp_offset`; the checksum has been verified. Nothing,
/// where it is no query, or one that RFC 3810 5.1.14 and 6.2 say to discard: from no link-local address, with
/// a hop limit other than 1, without a Router Alert. Which sources are asked for is not read: we take all.
std::optional<MldQuery> parse_mld_query(std::span<const uint8_t> packet, size_t icmp_offset);

/// What a record of a report says of its group (RFC 3810, 5.2.5); sources are never named.
enum class MldRecordType : uint8_t {
  kModeIsExclude = 2,    ///< we listen: in answer to a query
  kChangeToInclude = 3,  ///< we have ceased to listen
  kChangeToExclude = 4,  ///< we have begun to listen
};

/// IPv6 header, Router Alert, and the report without records.
inline constexpr unsigned kMldReportBytes = 40 + 8 + 8;
inline constexpr unsigned kMldRecordBytes = 20;
/// IPv6 header, Router Alert, MLDv1 message.
inline constexpr unsigned kMldV1Bytes = 40 + 8 + 24;

/// All routers that speak MLDv2, ff02::16: where reports go.
IpAddress mld_routers_address();
/// All routers, ff02::2: where MLDv1 listeners say that they leave.
IpAddress all_routers_address();

/// Writes a record to `at`, which has room for kMldRecordBytes.
void write_mld_record(MldRecordType type, const IpAddress& group, uint8_t* at);
/// Writes the headers of an MLDv2 report to the kMldReportBytes at `at`, in front of `records` that are there
/// already: sums need them.
void write_mld_report(const IpAddress& source, unsigned records, uint8_t* at);
/// Writes an MLDv1 report, or, where `is_done`, that we have ceased to listen: kMldV1Bytes.
void write_mld_v1(const IpAddress& source, const IpAddress& group, bool is_done, uint8_t* at);

}  // namespace sluice::dataplane
