// A backend as the balancing stages see it. Built by the control thread, const once published.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "common/address.h"
#include "common/bytes.h"
#include "common/headers.h"

namespace sluice::lb {

/// Index into View::backends. The control thread gives an id to a (pool, address, port) and takes it
/// back only once no flow on any worker refers to it, so a flow never meets another's backend.
using BackendId = uint32_t;
inline constexpr BackendId kNoBackend = UINT32_MAX;

/// What a hash of a backend is taken over: never its position in a file (interface.md, section 5).
struct Endpoint {
  IpAddress address;
  Be16 port;  ///< 0 where none is given
  IpProtocol protocol{};

  static constexpr size_t kBytes = 19;
  /// address 16 | port 2 in network order | protocol 1
  std::array<uint8_t, kBytes> bytes() const {
    std::array<uint8_t, kBytes> result;
    std::memcpy(result.data(), address.bytes().data(), 16);
    store(result.data() + 16, port);
    result[18] = static_cast<uint8_t>(protocol);
    return result;
  }
  /// The order that tables are built in: protocol, address, port.
  friend bool operator<(const Endpoint& a, const Endpoint& b) {
    if (a.protocol != b.protocol) return a.protocol < b.protocol;
    if (a.address != b.address) return a.address < b.address;
    return a.port.host() < b.port.host();
  }
  bool operator==(const Endpoint&) const = default;
};

enum class BackendState : uint8_t {
  kActive,       ///< takes new flows
  kDraining,     ///< its flows go on, no new ones
  kDown,         ///< by health: its flows are picked anew, but under fail_open
  kMaintenance,  ///< by an operator: its flows are picked anew
  kRemoved,      ///< no longer configured, or flushed: its flows are picked anew
};

/// Published, indexed by BackendId.
struct Backend {
  IpAddress address;  ///< of a removed one too, until its id is reused; unspecified where it was flushed
  Be16 port;          ///< 0 keeps the packet's destination port
  BackendState state = BackendState::kRemoved;
  bool keeps_flows = false;  ///< flows bound to it stay: active, draining, or down under fail_open
  uint32_t weight = 0;
  uint32_t next_hop = UINT32_MAX;  ///< index into dataplane::Tables::next_hops; UINT32_MAX: no route
  uint32_t most_flows = 0;         ///< on all workers together; 0: without end
};
static_assert(sizeof(Backend) == 32);

}  // namespace sluice::lb
