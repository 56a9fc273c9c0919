#include "ctrl/rpc/methods/steering_rules.h"

#include <nlohmann/json.hpp>
#include <numeric>
#include <string>

namespace sluice::ctrl {
namespace {

using lb::DecidedRule;
using nlohmann::json;

json split_rule(const std::vector<SplitShareModel>& split, uint32_t place) {
  const uint64_t total =
      std::accumulate(split.begin(), split.end(), uint64_t{0},
                      [](uint64_t sum, const SplitShareModel& share) { return sum + share.weight; });
  return {{"kind", "split"},
          {"name", split[place].pool},
          {"detail", "weight " + std::to_string(split[place].weight) + " of " + std::to_string(total)}};
}

}  // namespace

std::optional<json> steering_rule(const DecidedRule& rule, const DecidedRule* before,
                                  const ServiceModel& service) {
  const auto route_of = [&](uint32_t index) {
    return index < service.routes.size() ? &service.routes[index] : nullptr;
  };
  if (rule.kind == DecidedRule::Kind::kRoute) {
    const SourceRouteModel* const route = route_of(rule.index);
    if (!route) return std::nullopt;
    return json{{"kind", "route"},
                {"name", route->pool.empty() ? "split" : route->pool},
                {"detail", "source " + rule.prefix.to_string() + " of routes/" + std::to_string(rule.index)}};
  }
  if (rule.kind == DecidedRule::Kind::kMirror && service.mirror) {
    return json{{"kind", "mirror"},
                {"name", service.mirror->pool},
                {"detail", "fraction " + json(service.mirror->fraction).dump()}};
  }
  if (rule.kind != DecidedRule::Kind::kSplit) return std::nullopt;
  const bool is_of_route = before && before->kind == DecidedRule::Kind::kRoute;
  const SourceRouteModel* const route = is_of_route ? route_of(before->index) : nullptr;
  const auto& split = route ? route->split : service.split;
  if (rule.index >= split.size()) return std::nullopt;
  return split_rule(split, rule.index);
}

}  // namespace sluice::ctrl
