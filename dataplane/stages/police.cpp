#include "dataplane/stages/police.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>

#include "lb/flow_admission.h"
#include "lb/rebind.h"

namespace sluice::dataplane {
namespace {

constexpr lb::FlowIndex kEntriesPerSweep = 256;
constexpr uint8_t kEight = 8, kAllEight = 0xff;  ///< flows, and a bit for each

/// Whose rules count for a packet: its flow's service, or the one that it is for.
lb::ServiceId service_of(const Worker& worker, const FlowKey& key, const lb::FlowEntry* flow) {
  const lb::View view = worker.tables->view();
  if (flow == nullptr) return lb::find_service(view, key);
  const auto binding = lb::binding_of(view, worker.balancer.flows(), *flow);
  if (binding) return binding->service;
  return flow->is_reply ? lb::kNoService : lb::find_service(view, key);
}

/// The client of a flow's packets with that key.
IpAddress client_of(const lb::FlowTable& flows, const FlowKey& key, const lb::FlowEntry* flow) {
  return flow != nullptr && flow->is_reply ? flows.translated_destination_of(*flow) : key.source;
}

const lb::ServiceRules* rules_of(const Worker& worker, lb::ServiceId service) {
  return service == lb::kNoService ? nullptr : (*worker.tables->services)[service].rules;
}

bool counts_packets(const Tables& tables) {
  return tables.rules != nullptr && std::ranges::any_of(*tables.rules, [](const auto& rules) {
           return rules != nullptr && rules->counts_packets();
         });
}

/// Whether a packet with that key would find a token of its source; `flow` may be null.
bool has_source_token(const Worker& worker, const lb::SourceRules& rules, const FlowKey& key,
                      const lb::FlowEntry* flow) {
  if (flow != nullptr && rules.packets->may_spend(*flow, worker.now_ns, worker.police.rules_tick))
    return true;
  return rules.packets->has_token(rules.hash(key.source), worker.now_ns);
}

/// Takes a token of the source of a flow, where sources' packets are counted.
bool take_source_token(Worker& worker, const lb::ServiceRules& rules, lb::FlowEntry& flow) {
  if (!rules.per_source || !rules.per_source->packets) return true;
  return rules.per_source->packets->take(flow, worker.now_ns, worker.police.rules_tick, [&] {
    const IpAddress client = worker.balancer.flows().source_of(flow);
    return worker.police.source_hashes.of(*rules.per_source, client);
  });
}

/// Those of eight flows, as bits, that have one source, and have to ask its bucket.
struct AskingSource {
  uint64_t hash;
  uint32_t flows;
};

/// Takes a token for each flow of a source: at once for those that take none in advance. Returns for which.
uint32_t ask_source(const lb::SourceRate& rate, const AskingSource& source, lb::FlowEntry* const* eight,
                    uint64_t now_ns, uint32_t since_tick) {
  std::array<lb::FlowEntry*, kEight> single;
  size_t count = 0;
  uint32_t granted = 0, singly = 0;
  for (uint32_t left = source.flows; left != 0; left &= left - 1) {
    lb::FlowEntry& flow = *eight[std::countr_zero(left)];
    if (rate.takes_singly(flow)) {
      single[count++] = &flow;
      singly |= _blsi_u32(left);
    } else if (rate.take(flow, now_ns, since_tick, [&] { return source.hash; })) {
      granted |= _blsi_u32(left);
    }
  }
  if (count == 0) return granted;
  const size_t taken = rate.take_singly(std::span(single).first(count), now_ns, source.hash);
  return granted | _pdep_u32((1u << taken) - 1, singly);
}

/// For those of eight flows, as bits, that have no token in advance. The buckets that are to be asked are all
/// fetched before the first is: to change one lets nothing else pass until it is there.
[[gnu::noinline]] uint32_t ask_sources(Worker& worker, const lb::SourceRules& rules,
                                       lb::FlowEntry* const* eight, uint32_t asking) {
  std::array<AskingSource, kEight> sources;
  size_t count = 0;
  for (uint32_t left = asking; left != 0; left &= left - 1) {
    const IpAddress client = worker.balancer.flows().source_of(*eight[std::countr_zero(left)]);
    const uint64_t hash = worker.police.source_hashes.of(rules, client);
    size_t known = 0;
    while (known < count && sources[known].hash != hash) ++known;
    if (known == count) {
      sources[count++] = {hash, 0};
      rules.packets->fetch(hash);
    }
    sources[known].flows |= _blsi_u32(left);
  }
  uint32_t granted = 0;
  for (const AskingSource& source : std::span(sources).first(count)) {
    granted |= ask_source(*rules.packets, source, eight, worker.now_ns, worker.police.rules_tick);
  }
  return granted;
}

/// Takes a token of the source of each of eight flows. Returns for which, as bits.
uint32_t take_source_tokens(Worker& worker, const lb::SourceRules& rules, lb::FlowEntry* const* eight) {
  uint32_t granted = 0;
  for (size_t i = 0; i < kEight; ++i) {
    const bool spends = rules.packets->spend(*eight[i], worker.now_ns, worker.police.rules_tick);
    granted |= uint32_t{spends} << i;
  }
  return granted == kAllEight ? granted : granted | ask_sources(worker, rules, eight, ~granted & kAllEight);
}

}  // namespace

/// As Police::takes_packet() does it.
bool pass_limits(Worker& worker, lb::FlowEntry& flow) {
  const lb::ServiceRules* const rules = rules_of(worker, flow.service);
  if (rules == nullptr) return true;
  const unsigned balancer = worker.place.balancer;
  const bool has_token = (worker.police.granted & 1) != 0;
  worker.police.granted >>= 1;
  if (rules->packets && !rules->packets->has_token(balancer, worker.now_ns)) return false;
  if (!has_token && !take_source_token(worker, *rules, flow)) return false;
  return !rules->packets || rules->packets->take(balancer, worker.now_ns);
}

bool pass_limits(Worker& worker, lb::FlowEntry* const* eight) {
  worker.police.granted = 0;
  const lb::ServiceRules* const rules = rules_of(worker, eight[0]->service);
  if (rules == nullptr) return true;
  const unsigned balancer = worker.place.balancer;
  if (rules->packets && !rules->packets->has_leased(balancer, worker.now_ns, kEight)) return false;
  if (rules->per_source && rules->per_source->packets) {
    const uint32_t granted = take_source_tokens(worker, *rules->per_source, eight);
    if (granted != kAllEight) {
      worker.police.granted = static_cast<uint8_t>(granted);
      return false;
    }
  }
  if (rules->packets) rules->packets->spend(balancer, worker.now_ns, kEight);
  return true;
}

void drop_limited(Worker& worker, rte_mbuf* frame, uint8_t in_port, const lb::FlowEntry& flow) {
  worker.drops.drop_frame(frame, {.reason = DropReason::kRateLimited,
                                  .detail = DropDetail::kServiceLimit,
                                  .port = in_port,
                                  .service = flow.service});
}

DropReason Police::judge_by_rules(PacketMeta& meta, lb::FlowEntry* flow) {
  const lb::ServiceId service = service_of(worker_, meta.key, flow);
  const lb::ServiceRules* const rules = rules_of(worker_, service);
  if (rules == nullptr) return DropReason::kNone;
  const auto refuse = [&](DropReason reason) {
    worker_.police.refusing = PoliceState::kRefusingBursts;
    meta.bind(service, lb::kNoBackend);
    return reason;
  };
  const bool is_reply = flow != nullptr && flow->is_reply;
  const IpAddress client = client_of(worker_.balancer.flows(), meta.key, flow);
  if (rules->access && !rules->access->admits(client)) {
    if (flow != nullptr) worker_.balancer.end(*flow);
    return refuse(DropReason::kDenied);
  }
  if (is_reply || !rules->counts_packets() || takes_packet(*rules, client)) return DropReason::kNone;
  return refuse(DropReason::kRateLimited);
}

/// The service's token last: a source beyond its own limit uses up none of them.
bool Police::takes_packet(const lb::ServiceRules& rules, const IpAddress& client) {
  const unsigned balancer = worker_.place.balancer;
  const uint64_t now_ns = worker_.now_ns;
  if (rules.packets && !rules.packets->has_token(balancer, now_ns)) return false;
  if (rules.per_source && rules.per_source->packets &&
      !take_leased_token(*rules.per_source->packets,
                         worker_.police.source_hashes.of(*rules.per_source, client))) {
    return false;
  }
  return !rules.packets || rules.packets->take(balancer, now_ns);
}

/// Takes twice as many each time, so that a burst of one source costs few accesses to what workers share.
bool Police::take_leased_token(const lb::SourceRate& rate, uint64_t source) {
  size_t place = 0;
  while (place < leases_ && (lease_[place].rate != &rate || lease_[place].source != source)) ++place;
  if (place == kMostLeases) return rate.take(source, worker_.now_ns) != 0;
  SourceLease& lease = lease_[place];
  if (place == leases_) {
    lease = {&rate, source, {}, 0, 1};
    ++leases_;
  }
  if (lease.left == 0) {
    if (lease.next == 0) return false;
    lease.taken = rate.take_some(source, worker_.now_ns, lease.next);
    lease.left = lease.taken.tokens;
    const bool has_more = lease.left == lease.next;
    lease.next = has_more ? std::min(lease.next * 2, kMostAtOnce) : 0;
    if (lease.left == 0) return false;
  }
  --lease.left;
  return true;
}

void Police::give_back() {
  for (size_t i = 0; i < leases_; ++i) {
    const SourceLease& lease = lease_[i];
    if (lease.left != 0) lease.rate->give_back(lease.source, lease.taken, lease.left);
  }
}

/// An error about a flow is judged by the flow's client. A router on the way need not be in an allow list,
/// but whom a list denies by name is not heard either.
DropReason Police::judge_error(const Worker& worker, const PacketMeta& meta, const lb::Decision& decision,
                               const IpAddress& sender) {
  const lb::ServiceRules* const rules = rules_of(worker, decision.service);
  if (rules == nullptr || !rules->access) return DropReason::kNone;
  const IpAddress client = client_of(worker.balancer.flows(), meta.key.reversed(), decision.flow);
  if (!rules->access->admits(client)) return DropReason::kDenied;
  const lb::AccessList::Verdict of_sender = rules->access->judge(sender);
  const bool is_from_client_side = !decision.is_reply;
  const bool is_named = of_sender.length != lb::PrefixSet::kNoMatch;
  return is_from_client_side && is_named && !of_sender.admits ? DropReason::kDenied : DropReason::kNone;
}

DropReason explain_rules(const Worker& worker, const FlowKey& key, const lb::Decision& decision,
                         lb::DecidedRules& notes) {
  using Kind = lb::DecidedRule::Kind;
  const lb::ServiceRules* const rules = rules_of(worker, decision.service);
  if (rules == nullptr && decision.limit == lb::Limit::kNone) return DropReason::kNone;
  const auto refuse_by = [&](lb::Limit limit) {
    notes.add({.kind = Kind::kLimit, .is_refusal = true, .limit = limit});
    return DropReason::kRateLimited;
  };
  if (rules != nullptr && rules->access) {
    const IpAddress client = client_of(worker.balancer.flows(), key, decision.flow);
    const lb::AccessList::Verdict verdict = rules->access->judge(client);
    const bool is_matched = verdict.length != lb::PrefixSet::kNoMatch;
    if (is_matched || !verdict.admits) {
      notes.add({.kind = Kind::kAccess,
                 .is_refusal = !verdict.admits,
                 .index = is_matched ? verdict.index : lb::DecidedRule::kNoIndex,
                 .has_prefix = is_matched,
                 .prefix = is_matched ? Prefix{mask(client, verdict.length), verdict.length} : Prefix{}});
    }
    if (!verdict.admits) return DropReason::kDenied;
  }
  if (rules != nullptr && !decision.is_reply) {
    if (rules->packets && !rules->packets->has_token(worker.place.balancer, worker.now_ns)) {
      return refuse_by(lb::Limit::kPackets);
    }
    if (rules->per_source && rules->per_source->packets &&
        !has_source_token(worker, *rules->per_source, key, decision.flow)) {
      return refuse_by(lb::Limit::kSourcePackets);
    }
  }
  return decision.limit != lb::Limit::kNone ? refuse_by(decision.limit) : DropReason::kNone;
}

void adopt_rules(Worker& worker) {
  if (worker.admission == nullptr) return;
  const Tables& tables = *worker.tables;
  constexpr std::span<const uint32_t> kNone;
  const auto list = [&](const auto& ids) { return ids == nullptr ? kNone : std::span<const uint32_t>(*ids); };
  worker.admission->adopt(*tables.services, list(tables.counted_services), list(tables.counted_backends));
  PoliceState& police = worker.police;
  if (tables.rules.get() != police.rules) {
    police.rules = tables.rules.get();
    police.rules_tick = lb::PacketLease::tick(worker.now_ns);
    police.source_hashes.forget();
    police.counts_packets = counts_packets(tables);
  }
  if (tables.access_generation == police.access_generation) return;
  police.access_generation = tables.access_generation;
  police.cursor = 0;
  police.is_sweeping = true;
}

bool sweep_flows(Worker& worker) {
  PoliceState& police = worker.police;
  if (!police.is_sweeping) return false;
  lb::FlowTable& flows = worker.balancer.flows();
  const auto end = static_cast<lb::FlowIndex>(
      std::min<size_t>(size_t{police.cursor} + kEntriesPerSweep, flows.capacity()));
  for (; police.cursor < end && flows.size() != 0; ++police.cursor) {
    lb::FlowEntry& flow = flows.at(police.cursor);
    if (flow.state == lb::FlowState::kFree || flow.is_reply) continue;
    const FlowKey key = flows.key_of(flow);
    const lb::ServiceRules* const rules = rules_of(worker, service_of(worker, key, &flow));
    if (rules != nullptr && rules->access && !rules->access->admits(key.source)) worker.balancer.end(flow);
  }
  police.is_sweeping = police.cursor < flows.capacity() && flows.size() != 0;
  return true;
}

}  // namespace sluice::dataplane
