// What remote control counts. One thread writes, any thread reads.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "ctrl/access/authentication.h"

namespace sluice::ctrl {

/// What connections did besides asking for something.
enum class RemoteFault : uint8_t {
  kHandshake,
  kSlowHandshake,
  kSlowRequest,
  kMalformed,
  kRenegotiation,
  kCrowded,
  kEarlyData,  ///< it was thrown away, and the connection went on
};
inline constexpr std::array kRemoteFaultNames = {
    "handshake", "slow_handshake", "slow_request", "malformed", "renegotiation", "crowded", "early_data"};

struct RemoteCounts {
  AuthenticationCounts authentications;
  std::array<std::atomic<uint64_t>, kRemoteFaultNames.size()> faults{};
  std::atomic<uint64_t> rejected_tls = 0, rejected_keys = 0;  ///< files that were no good when read anew
};

}  // namespace sluice::ctrl
