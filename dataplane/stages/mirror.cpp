#include "dataplane/stages/mirror.h"

#include "dataplane/stages/forward.h"
#include "lb/mirror.h"
#include "lb/pick.h"
#include "lb/pool_table.h"

namespace sluice::dataplane {
namespace {

/// What the copy's key becomes: as the flow's own packets, but for whom it goes to.
FlowKey mirrored_key(const Worker& worker, const lb::FlowEntry& flow, const FlowKey& key,
                     const lb::Backend& backend) {
  FlowKey to = worker.balancer.flows().translated_key_of(flow);
  to.destination = backend.address;
  to.destination_port = backend.port.network() != 0 ? backend.port : key.destination_port;
  return to;
}

template <bool is_v4>
void readdress(rte_mbuf* copy, const FlowKey& from, const FlowKey& to) {
  const PacketPlaces at = places_in(copy);
  const lb::Addresses6 addresses{from.source, from.destination, to.source, to.destination};
  translate<is_v4>(lb::Rewrite::between(from, to), addresses, from.protocol == IpProtocol::kUdp, at.ip,
                   at.l4);
}

/// Whether a bare copy can go on.
bool may_pass(const Worker& worker, rte_mbuf* copy, const Egress& egress) {
  const bool is_v4 = meta_of(copy).is_v4();
  return copy->pkt_len <= largest_packet(worker, egress) &&
         !ends_here(Treatment::kTranslate, rte_pktmbuf_mtod(copy, const uint8_t*), is_v4);
}

/// False: there is no copy.
bool send_copy(Worker& worker, const rte_mbuf* packet, const lb::Decision& decision, lb::BackendId id) {
  const lb::Backend& backend = (*worker.tables->backends)[id];
  const Egress egress = route_to_backend(*worker.tables, backend);
  if (!egress.found) return false;
  rte_mbuf* const copy = rte_pktmbuf_copy(packet, worker.pool, 0, UINT32_MAX);
  if (copy == nullptr) return false;
  PacketMeta& meta = meta_of(copy);
  meta = *static_cast<const PacketMeta*>(rte_mbuf_to_priv(const_cast<rte_mbuf*>(packet)));
  meta.bind(decision.service, id);
  bare_ip(copy);
  if (!may_pass(worker, copy, egress)) {
    rte_pktmbuf_free(copy);
    return false;
  }
  const FlowKey to = mirrored_key(worker, *decision.flow, meta.key, backend);
  meta.is_v4() ? readdress<true>(copy, meta.key, to) : readdress<false>(copy, meta.key, to);
  worker.stats.originated.add();
  worker.stats.mirrored.add();
  send(worker, egress, copy);
  return true;
}

}  // namespace

void mirror(Worker& worker, const rte_mbuf* packet, const lb::Decision& decision) {
  const lb::Service& service = service_of(worker, decision);
  const FlowKey key = worker.balancer.flows().key_of(*decision.flow);
  if (!lb::is_mirrored(service, key, worker.tables->hash_key)) return;
  const lb::PoolTable& pool = *worker.tables->pools[service.mirror_pool];
  const bool is_sent =
      !pool.empty() &&
      send_copy(worker, packet, decision,
                lb::pick_by_hash(pool, lb::Policy::kMaglev, key, worker.tables->hash_key).backend);
  if (!is_sent) worker.stats.mirror_lost.add();
}

bool take_mirror_answer(Worker& worker, rte_mbuf* packet) {
  const AddressSet* const mirrors = worker.tables->mirror_backends.get();
  if (mirrors == nullptr) return false;
  const PacketMeta& meta = meta_of(packet);
  const bool is_answer = meta.kind == PacketKind::kFlow && mirrors->contains(meta.key.source);
  const bool is_error = meta.kind == PacketKind::kIcmpError && mirrors->contains(meta.key.destination);
  if (!is_answer && !is_error) return false;
  worker.stats.consumed.add();
  worker.stats.mirror_answers.add();
  rte_pktmbuf_free(packet);
  return true;
}

}  // namespace sluice::dataplane
