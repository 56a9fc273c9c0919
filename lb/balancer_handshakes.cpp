// What the balancer has to do with handshakes and first answers of NAT flows, beyond beginning and forgetting
// handshakes.
#include "lb/balancer.h"
#include "lb/handshake_watch.h"

namespace sluice::lb {

/// Before the state of a NAT flow moves on: whether this packet answers its SYN, or is one that comes again.
void Balancer::follow_handshake(const View& view, const FlowEntry& flow, const PacketFacts& packet) {
  if (flow.state != FlowState::kEmbryonic) return;
  const FlowIndex request = flow.is_reply ? flow.peer : flows_.index_of(flow);
  constexpr uint8_t kAnswer = TcpHeader::kSyn | TcpHeader::kAck;
  constexpr uint8_t kLooked = kAnswer | TcpHeader::kFin | TcpHeader::kRst;
  if ((packet.tcp_flags & kLooked) == kAnswer && flow.is_reply) {
    handshakes_->answer(request, flow.service, flow.backend);
    if (accounts_ != nullptr) accounts_->answer(request);
  } else if ((packet.tcp_flags & TcpHeader::kRst) != 0) {
    // A client that gives up has no complaint.
    flow.is_reply ? handshakes_->fail(request, HandshakeEvent::Kind::kReset) : handshakes_->forget(request);
  } else if (is_opening(packet.tcp_flags) && is_refused(flow)) {
    handshakes_->begin(request, flow.backend, view.services[flow.service].watches_failures);
  }
}

/// Has the first answer of a new flow timed. A datagram asks by itself; TCP by the first bytes, which come
/// later.
void Balancer::time_first_answer(FlowEntry& flow) {
  if (handshakes_ == nullptr || flow.peer == kNoFlow) return;
  FlowTable::set_timed(flows_.at(flow.peer), true);
  if (flow.key.protocol() == IpProtocol::kTcp) {
    handshakes_->forget_question(flows_.index_of(flow));
    FlowTable::set_timed(flow, true);
  } else {
    handshakes_->ask(flows_.index_of(flow));
  }
}

/// Whether this packet of an entry that is timed asks, or answers. Both directions are noticed once; whatever
/// a backend says first ends its timing, asked or not.
void Balancer::follow_first_answer(FlowEntry& flow, const PacketFacts& packet) {
  const bool is_datagram = flow.key.protocol() == IpProtocol::kUdp;
  const bool is_reset = (packet.tcp_flags & TcpHeader::kRst) != 0;
  if (!is_datagram && !is_reset && !packet.has_payload) return;
  if (!flow.is_reply) {
    FlowTable::set_timed(flow, false);
    if (!is_reset) handshakes_->ask(flows_.index_of(flow));
    return;
  }
  FlowTable::set_timed(flow, false);
  FlowTable::set_timed(flows_.at(flow.peer), false);
  is_reset ? handshakes_->refuse(flow.peer, flow.backend) : handshakes_->respond(flow.peer, flow.backend);
}

void Balancer::note_unreachable(const View& view, const FlowEntry& flow) {
  if (handshakes_ == nullptr || flow.peer == kNoFlow) return;
  if (flow.key.protocol() == IpProtocol::kTcp) {  // beyond its handshake a connection minds its errors itself
    return handshakes_->fail(flow.is_reply ? flow.peer : flows_.index_of(flow),
                             HandshakeEvent::Kind::kUnreachable);
  }
  handshakes_->fail(flow.backend, HandshakeEvent::Kind::kUnreachable,
                    view.services[flow.service].watches_failures);
}

void Balancer::expire_handshakes(uint64_t now_ns) {
  // More than begin in the meantime; few enough that packets do not wait for it.
  constexpr unsigned kAtOnce = 256;
  if (handshakes_ == nullptr) return;
  handshakes_->set_time(now_ns);
  for (unsigned i = 0; i < kAtOnce && handshakes_->retire_oldest(); ++i) {
  }
}

}  // namespace sluice::lb
