// Access lists and limits of the benchmarks. EAL is not needed; used by one thread.
#pragma once

#include <array>
#include <string_view>

#include "common/address.h"
#include "dataplane/tables/tables.h"

namespace sluice::perf {

/// What the rules of a service are there for.
enum class Rules {
  kNone,
  kWide,          ///< every limit, and an access list of 2^20 prefixes: all that comes is within them
  kDenying,       ///< an access list of as many, which denies all clients that listed_client() answers
  kLimiting,      ///< the service's packets are limited to one a second
  kLimitingEach,  ///< of each source one packet is admitted
};
inline constexpr std::array<std::string_view, 5> kRulesNames = {"none", "wide", "denying", "limiting",
                                                                "limiting-each"};

/// A client in one of the prefixes that kDenying denies, and another for each number below 2^20. Their
/// numbers do not follow the order of their addresses.
IpAddress listed_client(uint32_t number);

/// Gives all services of the tables such rules.
void give_rules(dataplane::Tables& tables, Rules rules);

}  // namespace sluice::perf
