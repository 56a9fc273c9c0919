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

/// What every packet of a service's flows must see for its rules: nothing, where its flows are held against
/// its access list already, and packets are not counted.
inline StageMask police_stages(const Worker& worker, lb::ServiceId service) {
  const lb::ServiceRules* const rules = (*worker.tables->services)[service].rules;
  if (rules == nullptr) [[likely]]
    return 0;
  const bool is_each_seen = rules->counts_packets() || (rules->access && worker.police.is_sweeping);
  return is_each_seen ? stage::kPolice : 0;
}

/// Of one burst, all at one time: packets of one source share what is taken from its bucket, and what is left
/// of that goes back at the end.
class Police {
 public:
  explicit Police(Worker& worker) : worker_(worker) {}
  Police(const Police&) = delete;
  Police& operator=(const Police&) = delete;
  ~Police() {
    if (leases_ != 0) give_back();
  }

  /// Why a packet of kind kFlow does not pass; kNone: it does. `flow` is the one that it belongs to, or null.
  /// A flow whose client may not send any more ends. Of what does not pass, `meta` says from here on whose it
  /// was: for who looks at drops.
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
  struct SourceLease {
    const lb::SourceRate* rate;
    uint64_t source;
    uint64_t left;
    uint64_t next;  ///< how many to take when none is left
  };

  DropReason judge_by_rules(PacketMeta& meta, lb::FlowEntry* flow);
  bool takes_packet(const lb::ServiceRules& rules, const IpAddress& client);
  bool takes_of_source(const lb::SourceRate& rate, uint64_t source);
  void give_back();

  Worker& worker_;
  size_t leases_ = 0;
  std::array<SourceLease, kMostLeases> lease_;  ///< the first `leases_` of them
};

/// What the rules of a service make of a packet with `key`, without a trace: kNone, or why it is dropped.
/// Adds to `rules` what decides. `decision` is what the balancer would do.
DropReason explain_rules(const Worker& worker, const FlowKey& key, const lb::Decision& decision,
                         lb::DecidedRules& rules);

/// Sees to it that flows whose clients may not send any more end. Once for new Tables.
void adopt_rules(Worker& worker);

/// Holds some flows against the newest access lists, as long as not all have been. Returns whether it did:
/// then there is no time to rest.
bool sweep_flows(Worker& worker);

}  // namespace sluice::dataplane
