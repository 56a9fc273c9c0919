#include "dataplane/stages/reset_both_ends.h"

#include "dataplane/packet/tcp_reset.h"
#include "dataplane/packet/tcp_segment.h"
#include "dataplane/stages/forward.h"

namespace sluice::dataplane {
namespace {

void send_reset(Worker& worker, const TcpReset& reset, const lb::Decision& decision) {
  rte_mbuf* const packet = make_tcp_reset(worker.pool, reset);
  if (packet == nullptr) return;
  worker.stats.originated.add();
  forward(worker, packet, decision);
}

}  // namespace

void reset_both_ends(Worker& worker, rte_mbuf* packet, const lb::Decision& decision,
                     std::optional<uint32_t> at_backend) {
  if (decision.flow == nullptr || decision.flow->peer == lb::kNoFlow) return;
  const PacketMeta& meta = meta_of(packet);
  const TcpHeader tcp = load<TcpHeader>(tcp_header_of(packet));
  const uint32_t sequence = tcp.sequence.host(), acknowledgment = tcp.acknowledgment.host();
  const bool acknowledges = (tcp.flags & TcpHeader::kAck) != 0;
  lb::FlowTable& flows = worker.balancer.flows();
  const FlowKey from_backend = flows.translated_key_of(*decision.flow).reversed();
  const bool is_opening = (tcp.flags & TcpHeader::kSyn) != 0;
  if (!is_opening) {  // else the backend knows nothing of it yet
    send_reset(worker,
               {.key = meta.key,
                .sequence = at_backend.value_or(sequence),
                .acknowledgment = acknowledgment,
                .acknowledges = acknowledges,
                .in_port = meta.in_port},
               decision);
  }
  lb::Decision back = decision;
  back.flow = &flows.at(decision.flow->peer);
  back.is_reply = true;
  // RFC 9293, 3.10.7.1: what a host answers to a segment that it has no connection for.
  send_reset(worker,
             {.key = from_backend,
              .sequence = acknowledges ? acknowledgment : 0,
              .acknowledgment = sequence + sequence_length_of(packet),
              .acknowledges = true,
              .in_port = meta.in_port},
             back);
  // The flow learns of it as of any RST, so that its life is short.
  const lb::PacketFacts facts{.tcp_flags = TcpHeader::kRst, .received_ns = worker.now_ns};
  worker.balancer.balance(worker.tables->view(), meta.key, flows.hash(meta.key), facts, worker.now_ms);
}

}  // namespace sluice::dataplane
