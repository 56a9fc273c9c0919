// What the balancer has to do with handshakes of NAT flows, beyond beginning and forgetting them.
#include "lb/balancer.h"
#include "lb/handshake_watch.h"

namespace sluice::lb {

/// Before the state of a NAT flow moves on: whether this packet answers its SYN.
void Balancer::follow_handshake(const FlowEntry& flow, const PacketFacts& packet) {
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
  }
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

void Balancer::expire_handshakes(const View&, uint64_t now_ns) {
  constexpr unsigned kAtOnce = 32;
  if (handshakes_ == nullptr) return;
  handshakes_->set_time(now_ns);
  for (unsigned i = 0; i < kAtOnce && handshakes_->fail_overdue(); ++i) {
  }
}

}  // namespace sluice::lb
