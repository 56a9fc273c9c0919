// Holds packets and flows against the rules of their service: who may send to it, and how many packets. How
// many flows may begin is the balancer's to ask (lb::FlowAdmission), for it knows which do. Called by the
// worker that owns the flows.
#pragma once

#include <rte_mbuf.h>

#include <array>

#include "dataplane/worker/worker.h"
#include "lb/balancer.h"
#include "lb/service_rules.h"

namespace sluice::dataplane {

/// The stages that each packet of a service must see for its rules: kPolice where packets are limited, and
/// kAccess until the worker's flows have been held against a new access list.
inline StageMask police_stages(const Worker& worker, lb::ServiceId service) {
  const lb::ServiceRules* const rules = (*worker.tables->services)[service].rules;
  if (rules == nullptr) [[likely]]
    return 0;
  StageMask stages = rules->counts_packets() ? stage::kPolice : 0;
  if (rules->access && worker.police.is_sweeping) stages |= stage::kAccess;
  return stages;
}

/// On a short way: whether the limits on packets let a client's packet of `flow` pass. If so, its tokens are
/// spent.
bool pass_limits(Worker& worker, lb::FlowEntry& flow);
/// The same for the packets of eight flows of one service. False: not all of them may pass; the caller must
/// then call pass_limits() for each of the eight, in their order, before anything else.
bool pass_limits(Worker& worker, lb::FlowEntry* const* eight);
/// Drops a frame of a client's flow that pass_limits() did not let pass, as it came in at `in_port`.
void drop_limited(Worker& worker, rte_mbuf* frame, uint8_t in_port, const lb::FlowEntry& flow);

/// Holds the packets of one burst against rules, all at the same time. Packets of one source share the tokens
/// that are taken from its bucket; those that are left are given back at the end.
class Police {
 public:
  explicit Police(Worker& worker) : worker_(worker) {}
  Police(const Police&) = delete;
  Police& operator=(const Police&) = delete;
  ~Police() {
    if (leases_ != 0) give_back();
  }

  /// Why a packet of kind kFlow does not pass; kNone: it does. `flow` is the one that it belongs to, or null.
  /// Ends a flow whose client may not send any more. Writes the service of a packet that does not pass into
  /// `meta`, for drop records and captures.
  DropReason judge(PacketMeta& meta, lb::FlowEntry* flow) {
    if (worker_.tables->rules == nullptr) [[likely]]
      return DropReason::kNone;
    return judge_by_rules(meta, flow);
  }
  /// The same for an ICMP error about the flow of a decision, sent by `sender`. It is not counted.
  static DropReason judge_error(const Worker& worker, const PacketMeta& meta, const lb::Decision& decision,
                                const IpAddress& sender);

 private:
  static constexpr size_t kMostLeases = 8;
  static constexpr uint64_t kMostAtOnce = 8;
  struct SourceLease {
    const lb::SourceRate* rate;
    uint64_t source;
    lb::SourceRate::Taken taken;  ///< last
    uint64_t left;                ///< of it
    uint64_t next;                ///< how many to take when none is left
  };

  DropReason judge_by_rules(PacketMeta& meta, lb::FlowEntry* flow);
  bool takes_packet(const lb::ServiceRules& rules, const IpAddress& client);
  /// Takes a token of a source out of the lease that this burst has from its bucket.
  bool take_leased_token(const lb::SourceRate& rate, uint64_t source);
  void give_back();

  Worker& worker_;
  size_t leases_ = 0;
  std::array<SourceLease, kMostLeases> lease_;  ///< the first `leases_` of them
};

/// What the rules of a service make of a packet with `key`, without a trace: kNone, or why it is dropped.
/// Adds to `rules` what decides. `decision` is what the balancer would do.
DropReason explain_rules(const Worker& worker, const FlowKey& key, const lb::Decision& decision,
                         lb::DecidedRules& rules);

/// Takes up the rules of new Tables: begins to look for flows whose clients may not send any more. Once for
/// each new Tables.
void adopt_rules(Worker& worker);

/// Holds the next few flows against the newest access lists, until all have been, and ends those that these
/// deny. Returns whether there were any to look at: then the worker must not sleep.
bool sweep_flows(Worker& worker);

}  // namespace sluice::dataplane
