// One direction of a flow, as the flow table keeps it. Values of the worker that owns the table.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lb/backend.h"
#include "lb/packed_key.h"
#include "lb/packet_lease.h"
#include "lb/service.h"

namespace sluice::lb {

/// In the order in which flows give way where entries or ports are short (docs/decisions/0015).
enum class FlowState : uint8_t {
  kFree,
  kStray,        ///< unanswered: began without a SYN, as every UDP flow does
  kEmbryonic,    ///< unanswered: TCP, only SYNs seen
  kHandshake,    ///< unanswered: TCP, the step after the SYN seen: the backend's SYN-ACK where backends are
                 ///< seen (NAT), else what the client sent next
  kClosing,      ///< was answered; TCP after RST or the last FIN: a short life
  kAnswered,     ///< the backend has answered; the client has not gone on since
  kEstablished,  ///< both have been seen to go on, or, where backends are not seen, the flow has lasted
};
inline constexpr unsigned kFlowStates = 7;

constexpr bool is_unanswered(FlowState state) {
  return state == FlowState::kStray || state == FlowState::kEmbryonic || state == FlowState::kHandshake;
}

/// Which packets of a flow a stage beside those that forward has to see: they go no short way.
enum class FlowWatch : uint8_t {
  kNever,     ///< none, and none has been looked at
  kOver,      ///< none any more
  kRequests,  ///< what the client sends
  kBoth,      ///< both directions
  kBlocked,   ///< both, and nothing of it is sent on: a SYN begins another flow
};

using FlowIndex = uint32_t;
inline constexpr FlowIndex kNoFlow = UINT32_MAX;

/// Exactly one cache line, which is all of the table's state that a packet of a known flow over IPv4 needs,
/// beside its bucket; one over IPv6 needs its Addresses6, too. NAT flows have two entries, each the other's
/// peer; the reply's entry holds the key of packets that come from the backend. Both have the same service,
/// backend, state and end; each has its own time.
struct alignas(64) FlowEntry {
  static constexpr uint8_t kFinFromClient = 1, kFinFromBackend = 2, kResetByBackend = 4, kResetByClient = 8;
  static constexpr uint8_t kReset = kResetByBackend | kResetByClient;
  static constexpr uint8_t kFinFromBoth = kFinFromClient | kFinFromBackend;

  PackedKey key;    ///< FlowTable::key_of() has all of it
  Rewrite rewrite;  ///< NAT: what its packets become; else nothing

  // Sixteen bytes that are loaded at once for each packet, for eight flows together (EightPaths).
  ServiceId service = kNoService;
  BackendId backend = kNoBackend;
  uint32_t last_seen_ms = 0;  ///< wraps after 49 days; compare by subtraction
  bool is_settled = false;    ///< packets that neither begin nor end a connection leave this entry's state
  bool is_reply = false;
  FlowState state = FlowState::kFree;  ///< FlowTable::set_state() alone writes it
  uint8_t ended = 0;                   ///< the FINs and RSTs after which nobody has gone on, as bits

  FlowIndex peer = kNoFlow;
  Be16 translated_port;  ///< full-nat: the source port towards the backend; gue: the outer one, once known
  uint8_t snat = 0;      ///< full-nat: index into Tables::snat
  uint8_t begun = 0;     ///< when the flow began, by FlowTable's coarse clock
  FlowWatch watch : 7 = FlowWatch::kNever;  ///< FlowTable::set_watch() alone writes it
  /// The time from a request's first payload to the first of the reply is measured, and this entry's has not
  /// been seen yet. FlowTable::set_timed() alone writes it.
  bool is_timed : 1 = false;
  uint8_t source_mark = 0;  ///< of a request: where its source's flows are counted (SourceFlows); 0: nowhere
  PacketLease lease{};      ///< of a request: tokens of its source that it has taken in advance
  union {
    uint32_t client_way = 0;  ///< of a reply: the number of the ClientWay that its last packet took; 0: none
    uint32_t leased_tick;     ///< of a request: when `lease` was taken, as PacketLease::tick() counts
  };

  /// Whether it has ended. Where the backend is not seen, its FIN is not waited for.
  bool is_closed() const {
    const uint8_t last = peer != kNoFlow ? kFinFromBoth : kFinFromClient;
    return (ended & kReset) != 0 || (ended & last) == last;
  }
};
static_assert(sizeof(FlowEntry) == 64);
static_assert(offsetof(FlowEntry, service) % 16 == 0 && offsetof(FlowEntry, peer) % 16 == 0);

}  // namespace sluice::lb
