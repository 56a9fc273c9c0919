// Questions of the control thread about this worker's flows and drops, answered between bursts.
#include <algorithm>

#include "dataplane/stages/inspect.h"
#include "dataplane/stages/police.h"
#include "dataplane/stages/punt.h"
#include "dataplane/worker/worker.h"
#include "lb/mirror.h"
#include "lb/pool_steering.h"
#include "lb/rebind.h"

namespace sluice::dataplane {
namespace {

constexpr lb::FlowIndex kEntriesPerStep = 256;
constexpr unsigned kFlowsPerStep = 32;  ///< looked at closely, which costs a few cache misses each

Explanation dropped(DropReason reason) {
  return {.verdict = Explanation::Verdict::kDropped, .drop = reason};
}

/// What punt() would do; any port with a tap may have received the packet.
Explanation explain_no_service(const Tables& tables, const FlowKey& key) {
  for (const PortView& port : tables.ports) {
    if (port.kernel && is_own_address(tables, key.destination)) {
      return {.verdict = Explanation::Verdict::kToKernel};
    }
  }
  return dropped(DropReason::kNoService);
}

/// What sends a client's flow to its pool. A known flow stays where it went: that is told only where it would
/// go there now.
void add_steering_rules(const Tables& tables, const FlowKey& key, const lb::Decision& decision,
                        lb::DecidedRules& rules) {
  if (decision.service == lb::kNoService || decision.is_reply) return;
  const lb::Service& service = (*tables.services)[decision.service];
  if (lb::is_mirrored(service, key, tables.hash_key)) rules.add({.kind = lb::DecidedRule::Kind::kMirror});
  if (service.steering == nullptr) return;
  const lb::PoolChoice choice = service.steering->choose(key, service.policy, tables.hash_key);
  if (decision.outcome == lb::Outcome::kCached) {
    const auto& members = tables.members[choice.pool];
    const auto is_it = [&](const lb::PoolMembers::Member& member) { return member.id == decision.backend; };
    if (members == nullptr || std::ranges::none_of(members->all(), is_it)) return;
  }
  if (choice.route != lb::PoolChoice::kNone) {
    rules.add({.kind = lb::DecidedRule::Kind::kRoute,
               .index = choice.route,
               .has_prefix = true,
               .prefix = choice.matched});
  }
  if (choice.share != lb::PoolChoice::kNone) {
    rules.add({.kind = lb::DecidedRule::Kind::kSplit, .index = choice.share});
  }
}

Explanation explain(Worker& worker, const FlowKey& key) {
  const lb::Decision decision =
      worker.balancer.explain(worker.tables->view(), key, worker.now_ms, worker.now_ns);
  const bool is_known = decision.outcome == lb::Outcome::kCached;
  if (!is_known && worker.tables->is_own(key.source)) return dropped(DropReason::kMalformedL3);
  lb::DecidedRules rules;
  if (const DropReason reason = explain_rules(worker, key, decision, rules); reason != DropReason::kNone) {
    Explanation refused = dropped(reason);
    refused.service = decision.service;
    refused.rules = rules;
    if (decision.limit == lb::Limit::kBackendFlows) {  // of the pool that it was sent to
      add_steering_rules(*worker.tables, key, decision, refused.rules);
    }
    return refused;
  }
  if (const DropReason reason = explain_inspection(worker, decision, rules); reason != DropReason::kNone) {
    Explanation refused = dropped(reason);
    refused.service = decision.service;
    refused.backend = decision.backend;
    refused.rules = rules;
    return refused;
  }
  Explanation result;
  const auto drop = [&result](DropReason reason) {
    result.verdict = Explanation::Verdict::kDropped;
    result.drop = reason;
  };
  result.rules = rules;
  switch (decision.outcome) {
    case lb::Outcome::kNoService:
      return explain_no_service(*worker.tables, key);
    case lb::Outcome::kNoBackend:
      drop(DropReason::kNoBackend);
      break;
    case lb::Outcome::kPortExhausted:
      drop(DropReason::kPortExhausted);
      break;
    case lb::Outcome::kRateLimited:
      drop(DropReason::kRateLimited);
      break;
    case lb::Outcome::kCached:
      result.verdict = Explanation::Verdict::kCached;
      break;
    case lb::Outcome::kPicked:
      result.verdict = Explanation::Verdict::kPicked;
      break;
  }
  result.service = decision.service;
  result.backend = decision.backend;
  result.slot = decision.slot;
  add_steering_rules(*worker.tables, key, decision, result.rules);
  const bool to_backend = decision.backend != lb::kNoBackend && !decision.is_reply;
  if (to_backend && (*worker.tables->backends)[decision.backend].next_hop == UINT32_MAX) {
    result.verdict = Explanation::Verdict::kDropped;
    result.drop = DropReason::kNoRoute;
  }
  return result;
}

/// One step of the walk; true when it has ended.
bool list_flows(Worker& worker, ListFlowsRequest& request) {
  const lb::FlowTable& flows = worker.balancer.flows();
  const lb::View view = worker.tables->view();
  const size_t limit = std::min(request.limit, request.found.capacity());  // never allocates
  for (lb::FlowIndex step = 0; step < kEntriesPerStep; ++step, ++request.cursor) {
    if (request.cursor >= flows.capacity() || request.found.size() >= limit) return true;
    const lb::FlowEntry& entry = flows.at(request.cursor);
    if (entry.state == lb::FlowState::kFree || entry.is_reply) continue;
    // Its numbers may be those of a former configuration, until it is looked at.
    const auto binding = lb::binding_of(view, flows, entry);
    if (request.service != lb::kNoService && (!binding || request.service != binding->service)) continue;
    request.found.push_back({flows.key_of(entry), binding ? binding->service : entry.service,
                             binding ? binding->backend : entry.backend, entry.state,
                             worker.now_ms - entry.last_seen_ms, worker.place.index});
  }
  return false;
}

/// The same for losses.
bool count_losses(Worker& worker, CountLossesRequest& request) {
  const lb::FlowTable& flows = worker.balancer.flows();
  const lb::View now = worker.tables->view(), then = request.candidate->view();
  unsigned looked_at = 0;
  for (lb::FlowIndex step = 0; step < kEntriesPerStep && looked_at < kFlowsPerStep;
       ++step, ++request.cursor) {
    if (request.cursor >= flows.capacity() || flows.size() == 0) return true;
    const lb::FlowEntry& entry = flows.at(request.cursor);
    if (entry.state == lb::FlowState::kFree || entry.is_reply) continue;
    ++looked_at;
    const lb::ServiceId service = worker.balancer.losing_service(now, then, entry, worker.now_ms);
    if (service < request.lost.size()) ++request.lost[service];
  }
  return false;
}

/// The same for drops.
bool tell_drops(const Worker& worker, RecentDropsRequest& request) {
  const bool is_of_all = request.reason == DropReason::kNone;
  const auto reason = is_of_all ? static_cast<DropReason>(request.cursor++) : request.reason;
  for (const DropRecord& record : worker.drops.recorder().of(reason)) {
    const bool has_room = request.found.size() < request.found.capacity();  // never allocates
    if (record.number != 0 && has_room) request.found.push_back(record);
  }
  return !is_of_all || request.cursor == kDropReasons;
}

}  // namespace

void take_request(Worker& worker) {
  if (worker.request == nullptr && worker.requests != nullptr) worker.requests->pop({&worker.request, 1});
}

bool serve_request(Worker& worker) {
  if (worker.request == nullptr) return false;
  bool finished = true;
  if (auto* question = std::get_if<ExplainRequest>(&worker.request->question)) {
    question->result = explain(worker, question->key);
  } else if (auto* walk = std::get_if<ListFlowsRequest>(&worker.request->question)) {
    finished = list_flows(worker, *walk);
  } else if (auto* count = std::get_if<CountLossesRequest>(&worker.request->question)) {
    finished = count_losses(worker, *count);
  } else if (auto* drops = std::get_if<RecentDropsRequest>(&worker.request->question)) {
    finished = tell_drops(worker, *drops);
  }
  if (!finished) return true;
  worker.request->done.store(true, std::memory_order_release);  // the asker may free it from here on
  worker.request = nullptr;
  return true;
}

}  // namespace sluice::dataplane
