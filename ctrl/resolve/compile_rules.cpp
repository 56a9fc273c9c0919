// Who may send to services, and how much: what workers hold packets and new flows against.
#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "ctrl/resolve/compile_step.h"
#include "lb/decided_rule.h"
#include "lb/service_rules.h"

namespace sluice::ctrl {
namespace {

lb::Rate rate_of(const RateModel& rate) {
  return lb::Rate::of(rate.rate, rate.burst);
}

class RuleCompiler {
 public:
  explicit RuleCompiler(CompileStep& step) : step_(step) {}

  void run() {
    const SetContents& sets = step_.in.effective.sets;
    const bool same_sets = step_.in.before && step_.in.before->sets == sets;
    if (!step_.services_changed && same_sets) return share();
    find_changed_sets();
    auto services = std::make_shared<std::vector<lb::Service>>(*step_.tables.services);
    auto rules = std::make_shared<dataplane::RuleList>(services->size());
    std::vector<lb::ServiceId> counted;
    bool any = false, access_changed = false;
    for (lb::Service& service : *services) service.rules = nullptr;
    for (const auto& [name, service] : step_.model.services) {
      if (service->access.is_open() && service->limits.is_open()) continue;
      const lb::ServiceId id = *step_.ids.find_service(identity_of(*service));
      const lb::ServiceRules* const former = former_rules(id);
      (*rules)[id] = rules_for(*service, former, model_before(name));
      (*services)[id].rules = (*rules)[id].get();
      access_changed |= (*rules)[id]->access != (former ? former->access : nullptr);
      if (service->limits.flows) counted.push_back(id);
      any = true;
    }
    step_.tables.services = std::move(services);
    if (any) step_.tables.rules = std::move(rules);
    std::ranges::sort(counted);
    if (!counted.empty()) {
      step_.tables.counted_services = std::make_shared<const std::vector<lb::ServiceId>>(std::move(counted));
    }
    const uint64_t before = step_.previous ? step_.previous->access_generation : 0;
    step_.tables.access_generation = access_changed ? step_.in.generation : before;
  }

 private:
  void share() {
    step_.tables.rules = step_.previous->rules;
    step_.tables.counted_services = step_.previous->counted_services;
    step_.tables.access_generation = step_.previous->access_generation;
  }

  /// Sets that have other content than before.
  void find_changed_sets() {
    if (!step_.in.before) return;  // then nothing is kept of before
    const SetContents& then = step_.in.before->sets;
    for (const auto& [name, content] : step_.in.effective.sets) {
      const auto known = then.find(name);
      if (known == then.end() || known->second != content) changed_sets_.insert(name);
    }
  }

  /// Of the same service, as it was.
  const lb::ServiceRules* former_rules(lb::ServiceId id) const {
    if (!step_.previous || !step_.previous->rules || id >= step_.previous->rules->size()) return nullptr;
    return (*step_.previous->rules)[id].get();
  }
  const ServiceModel* model_before(const std::string& name) const {
    if (!step_.before) return nullptr;
    const auto found = step_.before->services.find(name);
    return found == step_.before->services.end() ? nullptr : found->second.get();
  }

  std::shared_ptr<const lb::ServiceRules> rules_for(const ServiceModel& service,
                                                    const lb::ServiceRules* former,
                                                    const ServiceModel* before) const {
    const lb::ServiceRules kNone;
    const lb::ServiceRules& then = former && before ? *former : kNone;
    const LimitsModel unlimited;
    const LimitsModel& limits_then = former && before ? before->limits : unlimited;
    auto rules = std::make_shared<lb::ServiceRules>();
    const bool same_access = before && before->access == service.access && !has_changed_set(service.access);
    rules->access = same_access && then.access ? then.access : access_for(service.access);
    rules->new_flows = bucket_for(service.limits.new_flows, limits_then.new_flows, then.new_flows);
    rules->packets = bucket_for(service.limits.packets, limits_then.packets, then.packets);
    rules->most_flows = service.limits.flows.value_or(0);
    if (service.limits.per_source) {
      const PerSourceModel* const source_then =
          limits_then.per_source && then.per_source ? &*limits_then.per_source : nullptr;
      rules->per_source = source_rules(*service.limits.per_source, source_then,
                                       then.per_source ? &*then.per_source : nullptr);
    }
    return rules;
  }

  bool has_changed_set(const AccessModel& access) const {
    const auto changed = [&](const AccessEntry& entry) { return changed_sets_.contains(entry.set); };
    return std::ranges::any_of(access.allow, changed) || std::ranges::any_of(access.deny, changed);
  }

  /// Prefixes that a list names itself lie in one set together.
  std::shared_ptr<const lb::AccessList> access_for(const AccessModel& access) const {
    if (access.is_open()) return nullptr;
    std::vector<lb::AccessList::Part> parts;
    uint32_t index = 0;
    const auto add = [&](const std::vector<AccessEntry>& list, bool admits) {
      std::vector<Prefix> prefixes;
      for (const AccessEntry& entry : list) {
        const auto content = step_.in.effective.sets.find(entry.set);
        if (entry.set.empty()) {
          prefixes.push_back(entry.prefix);
        } else if (content != step_.in.effective.sets.end()) {
          parts.push_back({content->second, admits, index});
        }
        ++index;
      }
      if (prefixes.empty()) return;
      parts.push_back({lb::PrefixSet::build(std::move(prefixes)), admits, lb::DecidedRule::kNoIndex});
    };
    add(access.allow, true);
    add(access.deny, false);
    return std::make_shared<const lb::AccessList>(std::move(parts), access.allow.empty());
  }

  /// A limit that stays as it is keeps its bucket, whatever else changes.
  std::shared_ptr<lb::SharedBucket> bucket_for(const std::optional<RateModel>& wanted,
                                               const std::optional<RateModel>& then,
                                               const std::shared_ptr<lb::SharedBucket>& bucket) const {
    if (!wanted) return nullptr;
    if (bucket && wanted == then) return bucket;
    return std::make_shared<lb::SharedBucket>(rate_of(*wanted), step_.in.balancers);
  }

  /// Tables of sources stay as long as what a source is does.
  lb::SourceRules source_rules(const PerSourceModel& wanted, const PerSourceModel* before,
                               const lb::SourceRules* then) const {
    const bool same_sources = before && then && before->prefix4 == wanted.prefix4 &&
                              before->prefix6 == wanted.prefix6 && before->remembered == wanted.remembered;
    const auto new_table = [&] { return std::make_shared<lb::SourceTable>(wanted.remembered); };
    const auto source_rate = [&](const std::optional<RateModel>& rate,
                                 const std::optional<lb::SourceRate>* former) {
      std::optional<lb::SourceRate> result;
      if (!rate) return result;
      const bool has_table = same_sources && former->has_value();
      result.emplace(rate_of(*rate), has_table ? (*former)->table() : new_table());
      return result;
    };
    lb::SourceRules rules{.prefix4 = wanted.prefix4, .prefix6 = wanted.prefix6, .key = source_key()};
    rules.new_flows = source_rate(wanted.new_flows, then ? &then->new_flows : nullptr);
    rules.packets = source_rate(wanted.packets, then ? &then->packets : nullptr);
    if (!wanted.flows) return rules;
    if (same_sources && then->flows) {
      rules.flows.emplace(*wanted.flows, then->flows->table(), then->flows->epoch());
    } else {
      constexpr uint64_t kEpochs = 127;
      const auto epoch = static_cast<uint8_t>(step_.in.generation % kEpochs + 1);
      rules.flows.emplace(*wanted.flows, new_table(), epoch);
    }
    return rules;
  }

  /// As secret as the key of policies, and not the same.
  SipKey source_key() const {
    constexpr uint64_t kOfSources = 0x736f757263657300;  // "sources"
    return {step_.tables.hash_key.k0 ^ kOfSources, step_.tables.hash_key.k1};
  }

  CompileStep& step_;
  std::set<std::string_view> changed_sets_;
};

}  // namespace

void compile_rules(CompileStep& step) {
  RuleCompiler(step).run();
}

}  // namespace sluice::ctrl
