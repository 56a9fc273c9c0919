#include "lb/flow_admission.h"

#include "lb/service_rules.h"

namespace sluice::lb {
namespace {

const ServiceRules* rules_of(std::span<const Service> services, ServiceId id) {
  return id < services.size() ? services[id].rules : nullptr;
}

const SourceFlows* source_flows_of(const ServiceRules* rules) {
  return rules != nullptr && rules->per_source && rules->per_source->flows ? &*rules->per_source->flows
                                                                           : nullptr;
}

void give_back(SharedCount& count) {
  count.fetch_sub(1, std::memory_order_relaxed);
}

/// Adds what a worker has to what all have, the first time that it is asked to.
void join(std::span<uint8_t> joined, std::span<SharedCount> shared, std::span<const TargetCounters> own,
          std::span<const uint32_t> wanted) {
  for (const uint32_t id : wanted) {
    if (joined[id] != 0) continue;
    joined[id] = 1;
    shared[id].fetch_add(static_cast<uint32_t>(own[id].active_flows.read()), std::memory_order_relaxed);
  }
}

}  // namespace

void FlowAdmission::adopt(std::span<const Service> services, std::span<const ServiceId> counted_services,
                          std::span<const BackendId> counted_backends) {
  services_ = services;
  join(memory_.counted_services, memory_.shared.services, memory_.services, counted_services);
  join(memory_.counted_backends, memory_.shared.backends, memory_.backends, counted_backends);
}

/// Places first, then tokens: those are not given back. The service's tokens are last, so that a source
/// beyond its own limit uses up none of them; and where it has none, the source does not pay either.
FlowAdmission::Verdict FlowAdmission::admit(ServiceId service, const FlowKey& key, uint64_t now_ns) {
  if (rules_of(services_, service) == nullptr) {
    if (counts(service)) memory_.shared.services[service].fetch_add(1, std::memory_order_relaxed);
    return {};
  }
  const ServiceRules& rules = *services_[service].rules;
  if (rules.new_flows != nullptr && !rules.new_flows->has_token(balancer_, now_ns)) {
    return {Limit::kNewFlows};
  }
  const bool is_counted = counts(service);
  const uint32_t most = rules.most_flows != 0 ? rules.most_flows : UINT32_MAX;
  if (is_counted && !take_place(memory_.shared.services[service], most)) return {Limit::kFlows};
  Verdict verdict;
  uint64_t source = 0;
  SourceRate::Taken of_source;
  if (rules.per_source) {
    const SourceRules& per_source = *rules.per_source;
    source = per_source.hash(key.source);
    if (per_source.flows) {
      const auto mark = per_source.flows->begin(source);
      if (mark) verdict.source_mark = *mark;
      if (!mark) verdict.limit = Limit::kSourceFlows;
    }
    if (verdict.limit == Limit::kNone && per_source.new_flows) {
      of_source = per_source.new_flows->take_some(source, now_ns, 1);
      if (of_source.tokens == 0) verdict.limit = Limit::kSourceNewFlows;
    }
  }
  if (verdict.limit == Limit::kNone && rules.new_flows != nullptr &&
      !rules.new_flows->take(balancer_, now_ns)) {
    verdict.limit = Limit::kNewFlows;
    if (of_source.tokens != 0) rules.per_source->new_flows->give_back(source, of_source, 1);
  }
  if (verdict.limit == Limit::kNone) return verdict;
  if (is_counted) give_back(memory_.shared.services[service]);
  if (verdict.source_mark != 0) rules.per_source->flows->end(source, verdict.source_mark);
  return {verdict.limit};
}

Limit FlowAdmission::refusal(ServiceId service, const FlowKey& key, uint64_t now_ns) const {
  const ServiceRules* const rules = rules_of(services_, service);
  if (rules == nullptr) return Limit::kNone;
  if (rules->new_flows != nullptr && !rules->new_flows->has_token(balancer_, now_ns)) return Limit::kNewFlows;
  const bool is_full = rules->most_flows != 0 && counts(service) &&
                       memory_.shared.services[service].load(std::memory_order_relaxed) >= rules->most_flows;
  if (is_full) return Limit::kFlows;
  if (!rules->per_source) return Limit::kNone;
  const SourceRules& per_source = *rules->per_source;
  const uint64_t source = per_source.hash(key.source);
  if (per_source.flows && !per_source.flows->has_room(source)) return Limit::kSourceFlows;
  if (per_source.new_flows && !per_source.new_flows->has_token(source, now_ns)) {
    return Limit::kSourceNewFlows;
  }
  return Limit::kNone;
}

bool FlowAdmission::take_backend(BackendId backend, uint32_t most_flows) {
  if (!counts_backend(backend)) return true;
  return take_place(memory_.shared.backends[backend], most_flows != 0 ? most_flows : UINT32_MAX);
}

void FlowAdmission::give_back_backend(BackendId backend) {
  if (counts_backend(backend)) give_back(memory_.shared.backends[backend]);
}

void FlowAdmission::withdraw(ServiceId service, const FlowKey& key, uint8_t source_mark) {
  if (counts(service)) give_back(memory_.shared.services[service]);
  const SourceFlows* const flows = source_flows_of(rules_of(services_, service));
  if (flows != nullptr && source_mark != 0) {
    flows->end(services_[service].rules->per_source->hash(key.source), source_mark);
  }
}

void FlowAdmission::gone(ServiceId service, BackendId backend, const FlowKey& key, uint8_t source_mark) {
  withdraw(service, key, source_mark);
  give_back_backend(backend);
}

uint8_t FlowAdmission::moved(ServiceId from, BackendId from_backend, ServiceId to, BackendId to_backend,
                             const FlowKey& key, uint8_t source_mark) {
  const SourceFlows* const flows = source_flows_of(rules_of(services_, to));
  const bool is_same_table = flows != nullptr && flows->counted(source_mark);
  if (counts(from)) give_back(memory_.shared.services[from]);
  if (!is_same_table) {
    const SourceFlows* const former = source_flows_of(rules_of(services_, from));
    if (former != nullptr) former->end(services_[from].rules->per_source->hash(key.source), source_mark);
  }
  give_back_backend(from_backend);
  if (counts(to)) memory_.shared.services[to].fetch_add(1, std::memory_order_relaxed);
  if (counts_backend(to_backend)) {
    memory_.shared.backends[to_backend].fetch_add(1, std::memory_order_relaxed);
  }
  if (is_same_table || flows == nullptr) return is_same_table ? source_mark : 0;
  return flows->begin_anyway(services_[to].rules->per_source->hash(key.source));
}

}  // namespace sluice::lb
