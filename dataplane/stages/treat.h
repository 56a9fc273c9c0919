// Does to a packet what its path and its flow say: the one place where packets are rewritten to be forwarded,
// whichever way they go. Called by the worker that owns the flow.
#pragma once

#include "common/siphash.h"
#include "dataplane/forward/rewrite.h"
#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Where the headers of a packet are.
struct PacketPlaces {
  uint8_t* ip;
  size_t ip_bytes;
  uint8_t* l4;
};

/// The policy's hash costs more than the rest of the encapsulation, so a cached flow remembers the port.
inline Be16 gue_port_of_flow(const Worker& worker, const FlowKey& key, lb::FlowEntry* flow) {
  if (flow != nullptr && flow->translated_port.network() != 0) return flow->translated_port;
  const Be16 port = gue_source_port(siphash24(worker.tables->hash_key, &key, FlowKey::kHashedBytes));
  if (flow != nullptr) flow->translated_port = port;
  return port;
}

/// What translation gives to packets of a flow from a client. Valid as long as all three.
[[gnu::always_inline]] inline NatTarget target_of(const Worker& worker, const lb::FlowEntry& flow,
                                                  const PathRewrite& path) {
  const FlowKey& key = flow.key;
  return {path.hides_client ? &worker.tables->snat[flow.snat] : &key.source, &path.backend_address,
          path.hides_client ? flow.translated_port : key.source_port,
          path.backend_port.network() != 0 ? path.backend_port : key.destination_port, key.protocol};
}
/// What it gives to the answers, whose own entry `reply` is. Valid as long as the flow.
inline NatTarget target_of_answers(const Worker& worker, const lb::FlowEntry& reply) {
  return NatTarget::of_answers_to(worker.balancer.flows().at(reply.peer).key);
}

/// Treats a packet that a client sent with `key`. `flow` is null where it is not remembered: then the path
/// does not translate. Returns where its outermost IP header is now: in front of it is room for that. A
/// packet to be translated has more than one hop left.
template <bool is_v4>
[[gnu::always_inline]] inline uint8_t* treat(const Worker& worker, const PathRewrite& path,
                                             const FlowKey& key, lb::FlowEntry* flow,
                                             const PacketPlaces& at) {
  switch (path.treatment) {
    case Treatment::kTranslate:
      Rewrite<is_v4>::make(at.ip, at.l4, target_of(worker, *flow, path)).apply(at.ip, at.l4);
      return at.ip;
    case Treatment::kEncapsulate: {
      const Be16 source_port = path.outer.has_udp ? gue_port_of_flow(worker, key, flow) : Be16();
      return path.outer.write(at.ip, is_v4, at.ip_bytes, source_port);
    }
    case Treatment::kKeep:
      return at.ip;
  }
  __builtin_unreachable();
}

/// Treats a backend's answer, which belongs to the entry `reply`.
template <bool is_v4>
[[gnu::always_inline]] inline void treat_answer(const Worker& worker, const lb::FlowEntry& reply,
                                                const PacketPlaces& at) {
  Rewrite<is_v4>::make(at.ip, at.l4, target_of_answers(worker, reply)).apply(at.ip, at.l4);
}

}  // namespace sluice::dataplane
