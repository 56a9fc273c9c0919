#include "ctrl/rpc/methods/police_rules.h"

#include <nlohmann/json.hpp>

#include "ctrl/intent/config_rules.h"

namespace sluice::ctrl {
namespace {

using lb::DecidedRule;
using lb::Limit;
using nlohmann::json;

/// The set that an entry of both lists names; nothing where a prefix stands there itself.
std::string set_at(const AccessModel& access, uint32_t index) {
  if (index < access.allow.size()) return access_text(access.allow[index]);
  const size_t place = index - access.allow.size();
  return place < access.deny.size() ? access_text(access.deny[place]) : "";
}

json access_rule(const DecidedRule& rule, const AccessModel& access) {
  const std::string verdict = rule.is_refusal ? "denied" : "allowed";
  if (!rule.has_prefix) {
    return {{"kind", "access"}, {"name", "allow"}, {"detail", verdict + ": nothing in allow matches"}};
  }
  const std::string prefix = rule.prefix.to_string();
  const std::string set = rule.index == DecidedRule::kNoIndex ? "" : set_at(access, rule.index);
  return {{"kind", "access"},
          {"name", set.empty() ? prefix : set},
          {"detail", verdict + " by " + (set.empty() ? "" : set + " ") + prefix}};
}

std::string rate_of(const std::optional<RateModel>& rate) {
  return rate ? " " + rate_text(rate->rate) + "/s" : "";
}

template <typename Number>
std::string count_of(const std::optional<Number>& count) {
  return count ? " " + std::to_string(*count) : "";
}

json limit_rule(const std::string& name, const std::string& value) {
  return {{"kind", "limit"}, {"name", name}, {"detail", "limited: " + name + value}};
}

json limit_rule(Limit limit, const LimitsModel& limits) {
  const PerSourceModel per_source = limits.per_source.value_or(PerSourceModel{});
  switch (limit) {
    case Limit::kNewFlows:
      return limit_rule("new_flows", rate_of(limits.new_flows));
    case Limit::kPackets:
      return limit_rule("packets", rate_of(limits.packets));
    case Limit::kFlows:
      return limit_rule("flows", count_of(limits.flows));
    case Limit::kSourceNewFlows:
      return limit_rule("per_source new_flows", rate_of(per_source.new_flows));
    case Limit::kSourcePackets:
      return limit_rule("per_source packets", rate_of(per_source.packets));
    case Limit::kSourceFlows:
      return limit_rule("per_source flows", count_of(per_source.flows));
    case Limit::kBackendFlows:
      return limit_rule("flows_per_backend", "");
    case Limit::kNone:
      break;
  }
  return limit_rule("none", "");
}

/// Without an index its rules are still being compiled.
json inspection_rule(const DecidedRule& rule, const std::string& inspection) {
  const std::string which = rule.index == DecidedRule::kNoIndex
                                ? inspection + ", whose rules are not compiled yet"
                                : inspection + " rule " + std::to_string(rule.index);
  return {{"kind", "inspection"}, {"name", inspection}, {"detail", "inspected: " + which}};
}

}  // namespace

std::optional<json> police_rule(const DecidedRule& rule, const ServiceModel& service) {
  if (rule.kind == DecidedRule::Kind::kAccess) return access_rule(rule, service.access);
  if (rule.kind == DecidedRule::Kind::kLimit) return limit_rule(rule.limit, service.limits);
  if (rule.kind == DecidedRule::Kind::kInspection) return inspection_rule(rule, service.inspect);
  return std::nullopt;
}

}  // namespace sluice::ctrl
