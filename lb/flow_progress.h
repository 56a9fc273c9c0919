// What a packet tells about its flow: whether it begins one, and how it moves the state of the one that it
// belongs to (docs/decisions/0015). Pure.
#pragma once

#include <cstdint>

#include "common/headers.h"
#include "lb/flow_entry.h"

namespace sluice::lb {

/// What the balancer has to know of a packet besides its key.
struct PacketFacts {
  uint8_t tcp_flags = 0;  ///< 0 for UDP
  uint16_t frame_bytes = 0;
  bool has_payload = false;    ///< of TCP; needed where the packet may belong to a closed flow
  uint32_t next_sequence = 0;  ///< of TCP with FIN: the number after it
  uint64_t received_ns = 0;    ///< monotonic; needed where its service has limits
};

/// Whether a packet asks for a new connection: a SYN with no flag that contradicts it.
constexpr bool is_opening(uint8_t tcp_flags) {
  constexpr uint8_t kLooked = TcpHeader::kSyn | TcpHeader::kAck | TcpHeader::kFin | TcpHeader::kRst;
  return (tcp_flags & kLooked) == TcpHeader::kSyn;
}

/// Whether a packet that belongs to no flow cannot be part of one that goes on either: a RST, which nobody
/// answers, or a SYN that opens nothing.
constexpr bool begins_nothing(uint8_t tcp_flags) {
  const bool is_odd_syn = (tcp_flags & TcpHeader::kSyn) != 0 && !is_opening(tcp_flags);
  return (tcp_flags & TcpHeader::kRst) != 0 || is_odd_syn;
}

/// Whether the client of a NAT flow has reset it before it was answered. To a SYN on a port whose earlier
/// connection it holds in TIME-WAIT a backend may answer with an acknowledgment of that one; the client's RST
/// ends it, and its SYN succeeds at this very port when it comes again (RFC 9293, 3.5.1, figure 9).
inline bool is_refused(const FlowEntry& flow) {
  return flow.peer != kNoFlow && flow.state == FlowState::kEmbryonic &&
         flow.ended == FlowEntry::kResetByClient;
}

struct Progress {
  FlowState state;
  uint8_t ended;  ///< as FlowEntry::ended
};
/// Where a flow is once this packet of it, in the direction of the entry, has been seen. The state may be
/// kClosing only where it was answered before: what nobody has answered has nothing to close.
Progress progress(const FlowEntry& flow, const PacketFacts& packet);

/// For how long a flow may be idle, if its service says `idle_timeout_ms`.
uint32_t life_ms(const FlowEntry& flow, uint32_t idle_timeout_ms);

}  // namespace sluice::lb
