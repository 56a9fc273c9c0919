// A service (VIP, port, protocol) as the balancing stages see it. Built by the control thread, const
// once published.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "common/address.h"
#include "common/headers.h"

namespace sluice::lb {

class PoolSteering;
class PoolTable;
struct ServiceRules;

/// What each does and needs: lb/policies/.
enum class Policy : uint8_t {
  kMaglev,
  kSourceHash,
  kWeightedRoundRobin,
  kRandom,
  kTwoChoices,
  kLeastConnections,
  kLeastResponseTime
};
enum class ForwardMode : uint8_t { kFullNat, kDnat, kIpip, kGue, kDirect };
/// How a mode's packets get to a backend, and so which backends it can have.
enum class Carriage : uint8_t {
  kTranslated,  ///< with other addresses, of the same family; answers come by the gateway
  kTunnelled,   ///< in a tunnel, of either family, from an address of `encap`
  kUnchanged,   ///< as they are, to a neighbor
};
struct ForwardModeRow {
  ForwardMode mode;
  std::string_view name;  ///< in the configuration
  Carriage carriage;
};
/// In the order of ForwardMode. What a mode does to a packet: dataplane/forward/.
inline constexpr auto kForwardModes = std::to_array<ForwardModeRow>({
    {ForwardMode::kFullNat, "full-nat", Carriage::kTranslated},
    {ForwardMode::kDnat, "dnat", Carriage::kTranslated},
    {ForwardMode::kIpip, "ipip", Carriage::kTunnelled},
    {ForwardMode::kGue, "gue", Carriage::kTunnelled},
    {ForwardMode::kDirect, "direct", Carriage::kUnchanged},
});

constexpr const ForwardModeRow& row_of(ForwardMode mode) {
  return kForwardModes[static_cast<size_t>(mode)];
}
constexpr bool is_nat(ForwardMode mode) {
  return row_of(mode).carriage == Carriage::kTranslated;
}

/// Index into View::services. As with BackendId, an id is reused only once no flow refers to it; a
/// service whose name, address, port, protocol, pool or forwarding mode changes gets a new one.
using ServiceId = uint32_t;
inline constexpr ServiceId kNoService = UINT32_MAX;

/// Published, indexed by ServiceId.
struct Service {
  /// Owned by the Tables that hold this; null: not configured any more, and the rest tells what it was. Of
  /// a service with `steering`, the first of its pools.
  const PoolTable* pool = nullptr;
  Policy policy = Policy::kMaglev;
  ForwardMode forward = ForwardMode::kDirect;
  IpProtocol protocol{};
  uint32_t idle_timeout_ms = 0;  ///< of an established flow, by the service's protocol
  /// Who may send to it and how much, or null: everybody, without end. Owned as `pool` is.
  const ServiceRules* rules = nullptr;

  bool is_nat() const { return lb::is_nat(forward); }

  /// Chooses among several pools; owned as `pool` is. Null: there is that one.
  const PoolSteering* steering = nullptr;
  /// It has routes or a split, or had them while it was configured: then its flows stay with their backends,
  /// though no pool of the service that they belong to now may have those.
  bool is_steered = false;
  bool watches_failures = false;  ///< one of its pools has an outlier rule
  bool is_mirrored = false;       ///< of flows whose mirror hash is not above `mirror_last`
  uint32_t mirror_pool = 0;       ///< PoolTable::index()
  uint64_t mirror_last = 0;
};

/// What a service listens on: the input of ServiceTable.
struct ServiceMatch {
  Prefix address;
  uint16_t first_port = 0;  ///< host order; 0..65535 is any
  uint16_t last_port = 0;
  IpProtocol protocol{};
  ServiceId service = kNoService;
};

}  // namespace sluice::lb
