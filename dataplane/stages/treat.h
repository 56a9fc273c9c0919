// Does to a packet what its path and its flow say: the one place where packets are rewritten to be forwarded,
// whichever way they go. Called by the worker that owns the flow.
#pragma once

#include "common/check.h"
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

/// The outer source port that GUE gives to packets with that key. Not inlined, since GCC 12 would warn that
/// the key may be null, though it is only asked for where there is no flow.
[[gnu::noinline]] inline Be16 gue_port(const Worker& worker, const FlowKey& key) {
  return gue_source_port(siphash24(worker.tables->hash_key, &key, FlowKey::kHashedBytes));
}
/// The same for a flow, which remembers the port: the hash costs more than the rest of the encapsulation.
inline Be16 gue_port(const Worker& worker, lb::FlowEntry& flow) {
  if (flow.translated_port.network() == 0) {
    flow.translated_port = gue_port(worker, worker.balancer.flows().key_of(flow));
  }
  return flow.translated_port;
}

/// Translates a packet that goes on with a NAT flow, either way.
template <bool is_v4>
[[gnu::always_inline]] inline void translate(const lb::FlowTable& flows, const lb::FlowEntry& flow,
                                             const PacketPlaces& at) {
  translate<is_v4>(flow.rewrite, flows.addresses6(flow), flow.key.is_udp<is_v4>(), at.ip, at.l4);
}

/// Rewrites a client's packet as its path says; `treatment` is the path's, or kBehindIpv6 for any outer
/// header. The packet goes on with `flow`; where that is null, `key` is the packet's, and the path does not
/// translate. There is room in front of the packet for an outer header, and a packet that is translated has
/// more than one hop left. Returns where its outermost IP header is now.
template <bool is_v4, Treatment treatment>
[[gnu::always_inline]] inline uint8_t* treat_as(const Worker& worker, const PathRewrite& path,
                                                lb::FlowEntry* flow, const FlowKey* key,
                                                const PacketPlaces& at) {
  if constexpr (treatment == Treatment::kKeep) return at.ip;
  if constexpr (treatment == Treatment::kTranslate) {
    translate<is_v4>(worker.balancer.flows(), *flow, at);
    return at.ip;
  }
  Be16 source_port{};
  if (path.outer.has_udp) source_port = flow != nullptr ? gue_port(worker, *flow) : gue_port(worker, *key);
  return path.outer.write(at.ip, is_v4, at.ip_bytes, source_port);
}
/// The same, whichever the treatment is.
template <bool is_v4>
[[gnu::always_inline]] inline uint8_t* treat(const Worker& worker, const PathRewrite& path,
                                             lb::FlowEntry* flow, const FlowKey* key,
                                             const PacketPlaces& at) {
  switch (path.treatment) {
    case Treatment::kTranslate:
      return treat_as<is_v4, Treatment::kTranslate>(worker, path, flow, key, at);
    case Treatment::kKeep:
      return treat_as<is_v4, Treatment::kKeep>(worker, path, flow, key, at);
    case Treatment::kBehindIpv4:
    case Treatment::kBehindIpv4Udp:
    case Treatment::kBehindIpv6:
    case Treatment::kBehindIpv6Udp:
      return treat_as<is_v4, Treatment::kBehindIpv6>(worker, path, flow, key, at);
  }
  end_broken("a treatment is one of Treatment");
}

}  // namespace sluice::dataplane
