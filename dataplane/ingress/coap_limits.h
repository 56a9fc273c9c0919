// What the ledger ingress tells and takes over CoAP, where RFC 7252 leaves it to the server. Constants.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace sluice::dataplane {

/// Max-Age of 5.03: what is short for a moment, and what somebody has to mend first.
inline constexpr uint8_t kBusyRetrySeconds = 1;
inline constexpr uint8_t kFullRetrySeconds = 10;

/// The largest payload taken from a port of that MTU: room is left for IPv6, UDP, and CoAP with a token, a
/// path and a host of some length. 1400 bytes at 1500.
constexpr size_t most_coap_payload(uint16_t mtu) {
  constexpr size_t kHeaders = 100;
  return std::max<size_t>(mtu, 2 * kHeaders) - kHeaders;
}

}  // namespace sluice::dataplane
