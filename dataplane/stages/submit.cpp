#include "dataplane/stages/submit.h"

#include <array>

#include "dataplane/base/packet.h"
#include "dataplane/ingress/coap_limits.h"
#include "dataplane/packet/datagram.h"
#include "dataplane/stages/hand_by_target.h"
#include "dataplane/stages/route.h"
#include "dataplane/worker/steering.h"
#include "ledger/coap.h"

namespace sluice::dataplane {
namespace {

using ledger::Outcome;
using ledger::coap::Action;

/// Answers a request that no hash worker will see.
void answer_refused(Worker& worker, rte_mbuf* packet, const ledger::coap::Request& request) {
  const PacketMeta& meta = meta_of(packet);
  const Egress egress = route_to(*worker.tables, meta.key.source, meta.in_port);
  if (!egress.found) return;
  std::array<uint8_t, ledger::coap::kMostAnswerBytes> message;
  // Where no acknowledgement carries the answer, it needs an id of ours; the client's is as good as any.
  const size_t size = ledger::coap::write_refusal(request.exchange, request.exchange.message_id,
                                                  ledger::coap::refusal_of(request.outcome), request.outcome,
                                                  kBusyRetrySeconds, message);
  rte_mbuf* const answer = make_datagram(worker.pool, {meta.key.destination, meta.key.destination_port},
                                         {meta.key.source, meta.key.source_port}, {message.data(), size});
  if (answer == nullptr) return;
  worker.stats.originated.add();
  send(worker, egress, answer);
}

/// The hash worker is busy: judges by the framing alone.
void refuse(Worker& worker, rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  ledger::OutcomeCounters& counters = worker.stats.transactions;
  worker.stats.ring_full.add();
  ledger::coap::Request request;
  request.is_received = true;
  request.outcome = Outcome::kDroppedRingFull;
  if ((*worker.tables->ingress)[meta.ingress].framing == Framing::kCoap) {
    request =
        ledger::coap::parse(udp_payload(packet), most_coap_payload(worker.tables->ports[meta.in_port].mtu));
    if (request.action == Action::kSubmit) {
      request.outcome = Outcome::kDroppedRingFull;
      request.action = Action::kAnswer;
    }
  }
  if (request.is_received) {
    counters.received.add();
    counters.count(request.outcome);
  }
  if (request.action == Action::kAnswer) answer_refused(worker, packet, request);
  worker.drops.drop(packet, DropReason::kRingFull, DropDetail::kLedgerRingFull);
}

}  // namespace

std::span<rte_mbuf*> submit(Worker& worker, std::span<rte_mbuf*> packets) {
  if (worker.to_hash.empty() || worker.tables->ingress == nullptr) return packets;
  std::array<uint16_t, kBurst> target;
  std::array<rte_mbuf*, kBurst> leaving;
  size_t staying = 0, left = 0;
  for (rte_mbuf* packet : packets) {
    PacketMeta& meta = meta_of(packet);
    const unsigned ingress =
        meta.kind == PacketKind::kFlow ? ingress_of(*worker.tables->ingress, meta.key) : kNoIngress;
    if (ingress == kNoIngress) {
      packets[staying++] = packet;
      continue;
    }
    if (worker.tables->is_own(meta.key.source)) {
      worker.drops.drop(packet, DropReason::kMalformedL3, DropDetail::kOwnSource);
      continue;
    }
    meta.ingress = static_cast<uint8_t>(ingress);
    meta.received_by = static_cast<uint8_t>(worker.place.index);
    target[left] = static_cast<uint16_t>(
        hash_worker_of(worker.sources.of(meta.key.source), static_cast<unsigned>(worker.to_hash.size())));
    leaving[left++] = packet;
  }
  hand_by_target(std::span(leaving).first(left), std::span(target).first(left),
                 [&](unsigned to, std::span<rte_mbuf* const> together) {
                   const size_t taken = worker.to_hash[to]->push(together);
                   worker.stats.consumed.add(taken);
                   for (rte_mbuf* packet : together.subspan(taken)) refuse(worker, packet);
                 });
  return packets.first(staying);
}

}  // namespace sluice::dataplane
