// How a NAT flow looks from its backend: source address and port, and the key of the replies. One worker.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "common/flow_key.h"
#include "lb/backend.h"
#include "lb/flow_table.h"
#include "lb/port_use.h"

namespace sluice::lb {

/// The slice of worker `index` of `workers` (1..64512), and the inverse: whose slice a port lies in. The
/// slices cover 1024..65535; a port below belongs to worker 0, which has no flow for it.
PortSlice port_slice(unsigned index, unsigned workers);
unsigned port_owner(uint16_t port, unsigned workers);

struct Translation {
  FlowKey reply;                  ///< of the packets that the backend sends
  uint64_t hash = 0;              ///< FlowTable::hash(reply)
  Be16 source_port;               ///< towards the backend
  uint8_t snat = 0;               ///< index of the source address, for full-nat
  FlowIndex displaced = kNoFlow;  ///< a flow that has to go first: it is not answered, or closing
  /// Its backend had it less than a minute ago, and may refuse it; what it expected last, 0 if not known.
  bool is_reused = false;
  uint32_t former_sequence = 0;
};

/// The flow that a translation is for: it gets the state, one before kClosing.
struct Newcomer {
  FlowState state;
  uint32_t now_ms;
};

/// The key of the answers to packets with the key `key` that only change their destination.
inline FlowKey reply_key(const FlowKey& key, const Backend& backend) {
  const Be16 port = backend.port.network() != 0 ? backend.port : key.destination_port;
  return {backend.address, key.source, port, key.source_port, key.protocol, {}};
}

/// Whether a flow gives its port up to a newcomer: nobody does who is answered, and to one that has begun
/// without a SYN only its like.
inline bool yields(const FlowEntry& user, FlowState newcomer) {
  return newcomer == FlowState::kStray ? user.state == FlowState::kStray : user.state <= FlowState::kClosing;
}

/// The destination changes alone. `hash`: FlowTable::hash() of reply_key(). Nothing where another flow's
/// replies have that key already (two services, one backend and one client port) and it does not give way.
inline std::optional<Translation> translate_destination(FlowTable& flows, const FlowKey& key,
                                                        const Backend& backend, uint64_t hash,
                                                        FlowState newcomer) {
  Translation translation{reply_key(key, backend), hash, key.source_port};
  const FlowEntry* const user = flows.find(translation.reply, hash);
  const bool is_own = user != nullptr && user->peer != kNoFlow && flows.key_of(flows.at(user->peer)) == key;
  if (user == nullptr || is_own) return translation;
  if (!yields(*user, newcomer)) return std::nullopt;
  translation.displaced = flows.index_of(*user);
  return translation;
}

/// Source and destination change: takes the port after `turn`, which is PortUse::turn_of(backend), with which
/// the reply's key is free at one of the addresses of the backend's family, and moves `turn` there. One that
/// ended within the last minute is taken only if a few more are no better: then the one that ended first.
/// Looks at a bounded number; where all of those are in use, a flow among them gives way, by the order of the
/// states, then the one idle longest: an answered one never, so that no flood holds every port, and to a
/// stray one only a stray one.
std::optional<Translation> translate_both(FlowTable& flows, const FlowKey& key, const Backend& backend,
                                          std::span<const IpAddress> snat, const PortUse& ports,
                                          uint32_t& turn, const Newcomer& newcomer);

}  // namespace sluice::lb
