// The records of a DNS answer (RFC 1035, 2308, 2782), as far as backends are looked for by them. Pure; what
// it keeps is bounded by the message, which has at most 65,535 bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "common/address.h"
#include "common/result.h"
#include "ctrl/wire/dns_message.h"

namespace sluice::ctrl {

inline constexpr unsigned kDnsNoSuchName = 3;  ///< NXDOMAIN among RCODEs

struct DnsSrv {
  uint16_t priority = 0;
  uint16_t weight = 0;
  uint16_t port = 0;
  std::string target;  ///< as DnsRecord::owner; "." says that the service is not offered
  auto operator<=>(const DnsSrv&) const = default;
};
struct DnsAlias {
  std::string target;
  auto operator<=>(const DnsAlias&) const = default;
};

/// One record of class IN of the answer section: A, AAAA, SRV or CNAME. Others are passed over.
struct DnsRecord {
  std::string owner;  ///< dotted, in lower case, without a dot at its end; the root is "."
  uint32_t ttl = 0;   ///< seconds
  std::variant<IpAddress, DnsSrv, DnsAlias> data;
};

struct DnsAnswer {
  unsigned rcode = 0;
  bool truncated = false;  ///< TC: ask again over TCP
  std::vector<DnsRecord> records;
  /// Seconds for which "nothing" may be kept (RFC 2308, 5): of the SOA in the authority section.
  std::optional<uint32_t> negative_ttl;
  /// NS records without SOA in the authority section: the server knows only who else might know.
  bool is_referral = false;
};

/// What `message` answers to `query`; nothing where it answers something else, an Error where it cannot be
/// read.
std::optional<Result<DnsAnswer>> read_dns_answer(std::span<const uint8_t> message,
                                                 std::span<const uint8_t> query);

/// What an answer comes to for one name and type, once its aliases are followed.
struct DnsFound {
  std::vector<DnsRecord> records;  ///< of the type that was asked for
  std::string last_alias;          ///< where the chain ends outside the message: to be asked for next
  uint32_t ttl = UINT32_MAX;       ///< seconds: the smallest on the way, or for how long there is nothing
};

/// `name` as DnsRecord::owner. An Error: the aliases form a ring.
Result<DnsFound> find_in(const DnsAnswer& answer, const std::string& name, DnsType type);

/// `name` as records spell it: in lower case, without a dot at its end.
std::string canonical_dns_name(std::string_view name);

}  // namespace sluice::ctrl
