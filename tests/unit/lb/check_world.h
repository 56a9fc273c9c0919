// Whether a world's flow table and gauges agree, for properties.
#pragma once

#include <rapidcheck.h>

#include <map>
#include <set>
#include <string>

#include "tests/unit/lb/world.h"

namespace sluice::lb {

/// What the entries themselves say that the gauges should be, and that they are consistent.
inline void check(const World& world) {
  std::map<ServiceId, uint64_t> by_service;
  std::map<BackendId, uint64_t> by_backend;
  std::set<std::string> keys;
  const FlowTable& flows = world.balancer->flows();
  size_t used = 0, ports = 0;
  for (size_t i = 0; i < world.entries.size(); ++i) {
    const FlowEntry& entry = world.entries[i];
    if (entry.state == FlowState::kFree) continue;
    ++used;
    const FlowKey key = flows.key_of(entry);
    RC_ASSERT(keys.emplace(reinterpret_cast<const char*>(&key), sizeof key).second);
    if (entry.peer != kNoFlow) {
      const FlowEntry& peer = world.entries[entry.peer];
      RC_ASSERT(peer.peer == i);
      RC_ASSERT(peer.is_reply != entry.is_reply);
      RC_ASSERT(peer.backend == entry.backend);
      RC_ASSERT(peer.service == entry.service);
      RC_ASSERT(peer.state == entry.state);
      RC_ASSERT(peer.ended == entry.ended);
      RC_ASSERT(peer.translated_port == entry.translated_port);
    }
    if (entry.is_reply) continue;
    if (entry.peer != kNoFlow && flows.key_of(world.entries[entry.peer]).destination != key.source) ++ports;
    ++by_service[entry.service];
    ++by_backend[entry.backend];
  }
  RC_ASSERT(used == world.balancer->flows().size());
  RC_ASSERT(ports == world.balancer->ports_in_use());
  for (ServiceId id = 0; id < world.services_counters.size(); ++id) {
    RC_ASSERT(world.services_counters[id].active_flows.read() == by_service[id]);
  }
  for (BackendId id = 0; id < world.backend_counters.size(); ++id) {
    RC_ASSERT(world.backend_counters[id].active_flows.read() == by_backend[id]);
  }
}

}  // namespace sluice::lb
