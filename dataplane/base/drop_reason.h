// Why a packet disappeared. Every packet that Sluice does not send on has exactly one of these; the list
// is closed, and each is a counter, a metric label, a test and a line in docs/reference/drop-reasons.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::dataplane {

enum class DropReason : uint8_t {
  kMalformedL2,
  kWrongVlan,
  kMalformedL3,
  kMalformedL4,
  kIpOptions,
  kFragment,
  kTtlExpired,
  kTooBig,
  kNoService,
  kNoBackend,
  kNoRoute,
  kNeighborUnresolved,
  kBadChecksum,
  kPortExhausted,
  kNoHeadroom,
  kRingFull,
  kTxFull,
  kRateLimited,
  kDenied,
  kInspected,
  kNone,  ///< not a reason: the packet goes on
};
inline constexpr size_t kDropReasons = static_cast<size_t>(DropReason::kNone);

/// The names of interface.md, in the order of the enumeration.
inline constexpr std::array<std::string_view, kDropReasons> kDropReasonNames = {
    "malformed_l2", "wrong_vlan",     "malformed_l3", "malformed_l4", "ip_options", "fragment",
    "ttl_expired",  "too_big",        "no_service",   "no_backend",   "no_route",   "neighbor_unresolved",
    "bad_checksum", "port_exhausted", "no_headroom",  "ring_full",    "tx_full",    "rate_limited",
    "denied",       "inspected",
};

inline constexpr std::string_view name_of(DropReason reason) {
  return reason == DropReason::kNone ? "none" : kDropReasonNames[static_cast<size_t>(reason)];
}

}  // namespace sluice::dataplane
