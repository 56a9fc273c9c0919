// What NAT makes of a flow towards its backend: source address and port, and the key of the replies. One
// worker's.
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
  /// A connection with the same address and port ended less than a minute ago, so that the backend may refuse
  /// this one; and the sequence number that the backend expected last, 0 if not known.
  bool is_reused = false;
  uint32_t former_sequence = 0;
};

/// The flow that a translation is for. `state`: the one that it begins with, before kClosing.
struct Newcomer {
  FlowState state;
  uint32_t now_ms;
};

/// Makes `reply` the key of the answers where translation changes the destination of packets with the key
/// `key` alone: in its place, since who copies it waits for its pieces to be stored. What follows the
/// addresses is stored at once, since who hashes it would wait for that.
inline void put_reply_key(FlowKey& reply, const FlowKey& key, const Backend& backend) {
  const Be16 port = backend.port.network() != 0 ? backend.port : key.destination_port;
  constexpr size_t kPorts = offsetof(FlowKey, source_port), kProtocol = offsetof(FlowKey, protocol);
  const uint64_t ports = uint64_t{port.network()} | uint64_t{key.source_port.network()} << 16;
  const uint64_t protocol = uint64_t{static_cast<uint8_t>(key.protocol)} << (8 * (kProtocol - kPorts));
  reply.source = backend.address;
  reply.destination = key.source;
  store(reinterpret_cast<uint8_t*>(&reply) + kPorts, ports | protocol);
}
inline FlowKey reply_key(const FlowKey& key, const Backend& backend) {
  FlowKey reply;
  put_reply_key(reply, key, backend);
  return reply;
}

/// Whether the user of a port gives it up to a newcomer in that state. A flow that was answered does not,
/// unless it is closing. To a newcomer that began without a SYN only another such flow does.
inline bool yields(const FlowEntry& user, FlowState newcomer) {
  return newcomer == FlowState::kStray ? user.state == FlowState::kStray : user.state <= FlowState::kClosing;
}

/// The translation of dnat: the destination alone changes. `hash`: FlowTable::hash() of reply_key(). Nothing
/// where another flow's replies have that key already (two services, one backend and one client port) and
/// that flow does not give way.
inline std::optional<Translation> translate_destination(FlowTable& flows, const FlowKey& key,
                                                        const Backend& backend, uint64_t hash,
                                                        FlowState newcomer) {
  std::optional<Translation> translation(std::in_place);
  put_reply_key(translation->reply, key, backend);
  translation->hash = hash;
  translation->source_port = key.source_port;
  const FlowEntry* const user = flows.find(translation->reply, hash);
  if (user == nullptr) [[likely]]
    return translation;
  const bool is_own = user->peer != kNoFlow && flows.key_of(flows.at(user->peer)) == key;
  if (is_own) return translation;
  yields(*user, newcomer) ? void(translation->displaced = flows.index_of(*user)) : translation.reset();
  return translation;
}

/// The translation of full-nat: source and destination change. Takes the first port after `turn`
/// (PortUse::turn_of() of the backend) for which the reply's key is free at one of the SNAT addresses of the
/// backend's family, and moves `turn` there. A port whose connection ended within the last minute is taken
/// only if a few more are no better: of these, the one that ended first. Looks at a bounded number of ports.
/// Where all of them are in use, a flow among them that yields() gives way: in the order of the states, then
/// the one that has been idle longest. Nothing: no port is left, or there is no SNAT address of that family.
std::optional<Translation> translate_both(FlowTable& flows, const FlowKey& key, const Backend& backend,
                                          std::span<const IpAddress> snat, const PortUse& ports,
                                          uint32_t& turn, const Newcomer& newcomer);

}  // namespace sluice::lb
