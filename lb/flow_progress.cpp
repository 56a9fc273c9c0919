#include "lb/flow_progress.h"

#include <algorithm>

#include "common/check.h"

namespace sluice::lb {
namespace {

constexpr uint32_t kOpeningLifeMs = 30'000;
constexpr uint32_t kClosedLifeMs = 10'000;
/// Of a flow whose client has sent a RST, which the backend need not have accepted; or a FIN, where nothing
/// is seen of the backend, which may have much to send still, and the client acknowledges it.
constexpr uint32_t kPerhapsClosedLifeMs = 60'000;

/// The state after a packet that neither opens nor resets anything.
FlowState state_after(const FlowEntry& flow) {
  const bool sees_backend = flow.peer != kNoFlow;
  if (flow.is_reply) return flow.state == FlowState::kStray ? FlowState::kAnswered : flow.state;
  switch (flow.state) {
    case FlowState::kEmbryonic:
      return sees_backend ? flow.state : FlowState::kHandshake;
    case FlowState::kHandshake:
      return sees_backend ? FlowState::kEstablished : flow.state;
    case FlowState::kAnswered:
      return FlowState::kEstablished;
    case FlowState::kFree:
    case FlowState::kStray:
    case FlowState::kClosing:
    case FlowState::kEstablished:
      return flow.state;
  }
  end_broken("a flow's state is one of lb::FlowState");
}

/// After a SYN, which never ends anything: RFC 5961, section 4, has the backend judge it. A SYN-ACK of the
/// backend says that it has begun another connection.
Progress after_syn(const FlowEntry& flow, uint8_t flags) {
  const bool is_opened =
      flow.is_reply && (flags & TcpHeader::kAck) != 0 && !begins_nothing(flags & ~TcpHeader::kAck);
  switch (flow.state) {
    case FlowState::kStray:
      if (!flow.is_reply && is_opening(flags)) return {FlowState::kEmbryonic, 0};
      break;
    case FlowState::kEmbryonic:
      if (is_opened) return {FlowState::kHandshake, flow.ended};
      if (!flow.is_reply && is_opening(flags) && is_refused(flow)) return {FlowState::kEmbryonic, 0};
      break;
    case FlowState::kAnswered:
    case FlowState::kEstablished:
      if (is_opened) return {FlowState::kHandshake, 0};
      break;
    case FlowState::kFree:
    case FlowState::kHandshake:
    case FlowState::kClosing:
      break;
  }
  return {flow.state, flow.ended};
}

/// What has ended the flow after a packet without SYN. Whoever still sends has neither accepted the other's
/// RST nor, if these are data, sent his last byte.
uint8_t ended_after(const FlowEntry& flow, const PacketFacts& packet) {
  const uint8_t own_fin = flow.is_reply ? FlowEntry::kFinFromBackend : FlowEntry::kFinFromClient;
  uint8_t ended = flow.ended;
  if ((packet.tcp_flags & TcpHeader::kRst) != 0) {
    return ended | (flow.is_reply ? FlowEntry::kResetByBackend : FlowEntry::kResetByClient);
  }
  ended &= static_cast<uint8_t>(~FlowEntry::kReset);
  if (packet.has_payload) ended &= static_cast<uint8_t>(~own_fin);
  if ((packet.tcp_flags & TcpHeader::kFin) != 0) ended |= own_fin;
  return ended;
}

}  // namespace

Progress progress(const FlowEntry& flow, const PacketFacts& packet) {
  if ((packet.tcp_flags & TcpHeader::kSyn) != 0) return after_syn(flow, packet.tcp_flags);
  const bool is_reset = (packet.tcp_flags & TcpHeader::kRst) != 0;
  FlowEntry next = flow;
  next.state = is_reset ? flow.state : state_after(flow);
  next.ended = ended_after(flow, packet);
  if (!is_unanswered(next.state)) {
    if (next.is_closed()) {
      next.state = FlowState::kClosing;
    } else if (next.state == FlowState::kClosing) {
      next.state = FlowState::kEstablished;
    }
  }
  return {next.state, next.ended};
}

uint32_t life_ms(const FlowEntry& flow, uint32_t idle_timeout_ms) {
  const bool sees_backend = flow.peer != kNoFlow;
  const auto has = [&](uint8_t all) { return (flow.ended & all) == all; };
  if (has(FlowEntry::kResetByBackend) || (sees_backend && has(FlowEntry::kFinFromBoth))) {
    return std::min(kClosedLifeMs, idle_timeout_ms);
  }
  const bool is_opening =
      flow.state == FlowState::kEmbryonic || (flow.state == FlowState::kHandshake && sees_backend);
  if (is_opening) return std::min(kOpeningLifeMs, idle_timeout_ms);
  const bool may_have_ended =
      has(FlowEntry::kResetByClient) || (!sees_backend && has(FlowEntry::kFinFromClient));
  return may_have_ended ? std::min(kPerhapsClosedLifeMs, idle_timeout_ms) : idle_timeout_ms;
}

}  // namespace sluice::lb
