// Decides where packets go: by their flow, else by service, limits and policy, which begins a flow. One per
// worker, which alone calls it; it reads what is published and writes its own state.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "common/counter.h"
#include "common/flow_key.h"
#include "lb/backend.h"
#include "lb/decided_rule.h"
#include "lb/evicted_flows.h"
#include "lb/flow_accounts.h"
#include "lb/flow_progress.h"
#include "lb/flow_table.h"
#include "lb/nat_ports.h"
#include "lb/pick.h"
#include "lb/pool_table.h"
#include "lb/service.h"
#include "lb/shared_flow_counts.h"
#include "lb/view.h"

namespace sluice::lb {

class FlowAdmission;
class FlowAttachments;

enum class Outcome : uint8_t { kCached, kPicked, kNoService, kNoBackend, kPortExhausted, kRateLimited };

/// What was decided for one packet. Pointers are valid until the next call that may insert or expire.
struct Decision {
  Outcome outcome = Outcome::kNoService;
  bool is_reply = false;  ///< from a backend, to be translated back
  ServiceId service = kNoService;
  BackendId backend = kNoBackend;
  uint32_t slot = UINT32_MAX;  ///< of the Maglev table, where the policy used one for this packet
  FlowEntry* flow = nullptr;   ///< null where the flow could not be remembered (table full)
  /// Of a new flow that takes a port again too soon: what the backend expected last in the connection that
  /// had it. 0: there is none, or it is not known.
  uint32_t former_sequence = 0;
  Limit limit = Limit::kNone;  ///< of kRateLimited: which
};

/// Where a packet goes that begins a flow, as far as its key alone says.
struct Foresight {
  ServiceId service = kNoService;  ///< kNoService: nothing is foreseen
  Pick pick{};                     ///< by Policy::kMaglev; kNoBackend: the policy is to be asked
  uint64_t reply_hash = 0;         ///< FlowTable::hash() of the answers' key, where that is foreseen; else 0
};

class Balancer {
 public:
  struct Memory {  ///< owned by the worker, outliving the Balancer
    std::span<FlowEntry> entries;
    std::span<Addresses6> addresses6;  ///< as many
    std::span<FlowTable::Bucket> buckets;
    std::span<TargetCounters> services;
    std::span<TargetCounters> backends;
    std::span<uint32_t> cursors;  ///< kMaxPools, round-robin positions
    std::span<AnswerCounters> answers;
    FlowAdmission* admission = nullptr;  ///< null: no service and no backend has limits
  };
  Balancer(const Memory& memory, PortSlice ports, uint64_t seed);

  FlowTable& flows() { return flows_; }
  const FlowTable& flows() const { return flows_; }
  /// Has handshakes watched from now on, by what outlives this. Before the first flow.
  void watch(HandshakeWatch& handshakes) { handshakes_ = &handshakes; }

  /// Tells of flows that have something attached when they end. It outlives this. Before the first flow.
  void tell_ends_to(FlowAttachments& attachments) { attachments_ = &attachments; }

  /// Counts what each flow sends, and tells of those that end, from now on; null: no longer.
  void account_in(FlowAccounts* accounts) { accounts_ = accounts; }
  /// A packet that goes_on(), of either direction, while accounts are kept.
  void account(const FlowEntry& flow, uint32_t frame_bytes) {
    accounts_->count(flows_.index_of(flow), frame_bytes);
  }
  void prefetch_account(const FlowEntry& flow) const { accounts_->prefetch(flows_.index_of(flow)); }
  /// The short way: whether a packet that has the key of `flow`, and neither begins, ends nor resets a
  /// connection, goes on with it. True: the flow's time is noted, and the caller counts the packet (below).
  /// False: nothing has changed, and balance() decides. `flow` may be any entry, used or not; the caller
  /// knows that its service is there, with that idle timeout, and that its backend keeps its flows.
  /// `was_seen`: the flow would be settled if nobody watched it (FlowTable::is_steady()), and who does has
  /// seen the packet.
  static bool goes_on(FlowEntry& flow, uint32_t now_ms, uint32_t idle_timeout_ms, bool was_seen = false) {
    const uint32_t idle_ms = now_ms - flow.last_seen_ms;
    if (!(flow.is_settled || was_seen) || idle_ms > idle_timeout_ms) return false;
    if (idle_ms != 0) flow.last_seen_ms = now_ms;  // a line that is only read need not be written back
    return true;
  }

  /// A client's packet that goes_on().
  void count_request(const FlowEntry& flow, uint32_t frame_bytes) {
    services_[flow.service].count_packet(frame_bytes);
    backends_[flow.backend].count_packet(frame_bytes);
  }
  /// Clients' packets that go_on(), of flows of one service: together for the service, and each for its
  /// backend, whose counters stay where they are.
  void count_requests(ServiceId service, uint32_t packets, uint64_t bytes) {
    services_[service].packets.add(packets);
    services_[service].bytes.add(bytes);
  }
  TargetCounters& counters_of(BackendId backend) { return backends_[backend]; }
  /// A backend's packet that goes_on().
  void count_answer(const FlowEntry& reply, uint32_t frame_bytes) {
    answers_[reply.service].count(frame_bytes);
  }
  /// Several, of flows of one service.
  void count_answers(ServiceId service, uint32_t packets, uint64_t bytes) {
    answers_[service].packets.add(packets);
    answers_[service].bytes.add(bytes);
  }

  /// Decides for one packet and updates flow, state and counters. `hash` is flows().hash(key). A packet that
  /// belongs to no flow and begins_nothing() is for nobody behind NAT (kNoService); the other modes send it
  /// where the policy says and do not remember it.
  Decision balance(const View& view, const FlowKey& key, uint64_t hash, const PacketFacts& packet,
                   uint32_t now_ms) {
    return balance(view, flows_.find(key, hash), key, hash, packet, now_ms);
  }
  /// The same where flows().find(key, hash) has just found `flow`, or null. `foresight` is of the key and
  /// that view, or empty.
  Decision balance(const View& view, FlowEntry* flow, const FlowKey& key, uint64_t hash,
                   const PacketFacts& packet, uint32_t now_ms, const Foresight& foresight = {});
  /// Looks ahead for packets that may begin flows, and fetches what remembering these will look at. Of a key
  /// that is null nothing is foreseen. `foresights` are as many at least, and keys kMostForeseen at most.
  void foresee(const View& view, std::span<const FlowKey* const> keys, std::span<Foresight> foresights) const;
  static constexpr size_t kMostForeseen = 64;

  /// The same decision without any trace of it, for a packet that is no SYN: for trace.explain, on the
  /// worker's own thread.
  Decision explain(const View& view, const FlowKey& key, uint32_t now_ms, uint64_t now_ns = 0);

  /// For an ICMP error that quotes a packet: the flow that the quoted packet belongs to, without
  /// refreshing it. `quoted` is the quoted packet's own five-tuple. is_reply: it went to a backend, and the
  /// error is to be translated back to the client; else it went to a client, and the error is for the
  /// backend. Where no flow is cached and the quoted packet went from a service to a client, a policy that
  /// hashes answers (not for NAT, which needs its entry). kNoService: belongs to nothing here.
  Decision find_quoted(const View& view, const FlowKey& quoted);
  /// An ICMP error says that a packet of that flow does not reach its backend.
  void note_unreachable(const View& view, const FlowEntry& flow);
  /// Says what time it is to handshakes, monotonic, and finds some whose SYN has not been answered for too
  /// long. At every poll.
  void expire_handshakes(uint64_t now_ns);

  /// The service of a flow that goes on under `now` and would end under `then`; else kNoService, as for
  /// one that is closing, and for a NAT flow's other entry.
  ServiceId losing_service(const View& now, const View& then, const FlowEntry& flow, uint32_t now_ms) const;

  /// Ends a flow, either of a NAT flow's entries, at once: its client may not send any more.
  void end(FlowEntry& flow) { forget(flow, FlowEnd::kRemoved); }

  /// Visits up to `entries` cache entries and removes those that have been idle too long or whose
  /// service or backend is gone. Call it at every poll with a few.
  void expire(const View& view, uint32_t now_ms, unsigned entries);

  /// Flows that found the table full: another gave way, or they could not be remembered. Any thread.
  uint64_t table_full() const { return table_full_.read(); }
  /// Ports of full-nat that were taken again within a minute. Any thread.
  uint64_t ports_reused() const { return ports_.reused(); }
  /// Ports of full-nat that flows have now, each counted for the backend that it leads to. Any thread.
  uint64_t ports_in_use() const { return ports_.in_use(); }
  /// Any thread may read these.
  const EvictedFlows& evicted() const { return evicted_; }

 private:
  /// Where a plan leaves its steps: the balancer's own places, or copies of them.
  struct Steps {
    const PoolTable& pool;
    uint32_t& cursor;  ///< of the pool
    uint64_t& random;
    const Foresight& foresight;
    bool is_rehearsal = false;  ///< then the ports' turns stay as they are
  };
  std::optional<Translation> translate(const View& view, const FlowKey& key, const Newcomer& newcomer,
                                       const Steps& steps, Decision& decision);
  std::optional<Translation> plan(const View& view, const FlowKey& key, ServiceId id,
                                  const Newcomer& newcomer, const Steps& steps, Decision& decision);
  Pick pick_for(const View& view, const FlowKey& key, const Service& service, FlowState state,
                const Steps& steps) const;
  Pick place_for(const View& view, const FlowKey& key, const Service& service, FlowState state,
                 const Steps& steps);
  Decision start(const View& view, const FlowKey& key, uint64_t hash, const PacketFacts& packet,
                 uint32_t now_ms, const Foresight& foresight);
  FlowEntry* remember(const View& view, const Decision& decision,
                      const std::optional<Translation>& translation, const FlowKey& key, uint64_t hash,
                      const Newcomer& newcomer);
  bool join_reply(FlowEntry& flow, const Translation& translation, uint32_t now_ms,
                  FlowTable::Eviction eviction);
  bool keep(const View& view, FlowEntry& flow);
  void follow(const View& view, FlowEntry& flow, const PacketFacts& packet);
  void follow_handshake(const View& view, const FlowEntry& flow, const PacketFacts& packet);
  void time_first_answer(FlowEntry& flow);
  void follow_first_answer(FlowEntry& flow, const PacketFacts& packet);
  bool has_port(const FlowEntry& flow) const;
  void count_begun(const FlowEntry& flow);
  void count_gone(const FlowEntry& flow, FlowEnd end);
  void note_end(const FlowEntry& flow, uint32_t next_sequence = 0);
  void count_evicted(const FlowEntry& flow);
  void forget(FlowEntry& flow, FlowEnd end);

  FlowTable flows_;
  std::span<TargetCounters> services_;
  std::span<TargetCounters> backends_;
  std::span<uint32_t> cursors_;
  std::span<AnswerCounters> answers_;
  FlowAdmission* admission_;
  PortUse ports_;
  Counter table_full_;
  EvictedFlows evicted_;
  uint64_t random_;
  FlowIndex expiry_cursor_ = 0;
  FlowAttachments* attachments_ = nullptr;  ///< null: nothing is ever attached to flows
  FlowAccounts* accounts_ = nullptr;        ///< null: nobody asks how much flows send, or how they end
  HandshakeWatch* handshakes_ = nullptr;    ///< null: nobody asks how long they take, or which fail
};

}  // namespace sluice::lb
