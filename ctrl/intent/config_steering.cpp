#include "ctrl/intent/config_steering.h"

#include <algorithm>
#include <set>
#include <string>
#include <unordered_set>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/service_pools.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using Faults = Cursor::Faults;

std::vector<SplitShareModel> decode_split(const Cursor& split) {
  std::vector<SplitShareModel> shares;
  split.each([&](const Cursor& from, size_t index) {
    shares.resize(index + 1);
    from.parse("pool", parse_name, shares[index].pool);
    from.read("weight", shares[index].weight);
  });
  return shares;
}

json encode_split(const std::vector<SplitShareModel>& split) {
  json shares = json::array();
  for (const SplitShareModel& share : split) {
    shares.push_back({{"pool", share.pool}, {"weight", share.weight}});
  }
  return shares;
}

/// Somebody who has a `pool` or a `split`: a service, or a route of one.
struct Choice {
  const std::string& pool;
  const std::vector<SplitShareModel>& split;
  std::string pointer;
};

void check_choice(const Choice& choice, Faults& faults) {
  const bool has_pool = !choice.pool.empty(), has_split = !choice.split.empty();
  if (has_pool && has_split) {
    return faults.add(choice.pointer + "/split", "give either \"pool\" or \"split\", not both");
  }
  // What is there and cannot be read has a fault of its own already.
  const bool is_spoilt = faults.within(choice.pointer + "/pool") || faults.within(choice.pointer + "/split");
  if (!has_pool && !has_split) {
    if (!is_spoilt) faults.add(choice.pointer + "/pool", "\"pool\" is missing, or \"split\" instead");
    return;
  }
  const auto has_weight = [](const SplitShareModel& share) { return share.weight > 0; };
  if (has_split && !is_spoilt && std::ranges::none_of(choice.split, has_weight)) {
    faults.add(choice.pointer + "/split", "all weights are 0: there is no pool for new flows");
  }
  std::set<std::string_view> pools;
  for (size_t i = 0; i < choice.split.size(); ++i) {
    const std::string& pool = choice.split[i].pool;
    if (pool.empty() || pools.insert(pool).second) continue;
    faults.add(choice.pointer + "/split/" + std::to_string(i) + "/pool",
               "pool \"" + pool + "\" is in the split twice");
  }
}

void decode_mirror(const Cursor& from, ServiceModel& target) {
  const Cursor mirror = from.member("mirror");
  if (!mirror) return;
  MirrorModel& model = target.mirror.emplace();
  mirror.parse("pool", parse_name, model.pool);
  mirror.read("fraction", model.fraction);
}

void check_mirror(const ServiceModel& service, const std::string& at, Faults& faults) {
  if (!service.mirror) return;
  if (!lb::is_nat(service.forward)) {
    faults.add(at + "/mirror", std::string("what the mirror answers would reach clients: with ") +
                                   word_for(service.forward) + " answers do not come by the gateway");
  } else if (uses_pool(service, service.mirror->pool)) {
    faults.add(at + "/mirror/pool", "is a pool of the service itself, whose backends would get flows twice");
  }
}

}  // namespace

void decode_steering(const Cursor& service, ServiceModel& target) {
  service.parse("pool", parse_name, target.pool);
  target.split = decode_split(service.member("split"));
  service.member("routes").each([&](const Cursor& from, size_t index) {
    target.routes.resize(index + 1);
    SourceRouteModel& route = target.routes[index];
    from.member("source").each([&](const Cursor& text, size_t) {
      if (Prefix prefix; text.parse(parse_network, prefix)) route.source.push_back(prefix);
    });
    from.parse("pool", parse_name, route.pool);
    route.split = decode_split(from.member("split"));
  });
  decode_mirror(service, target);
}

void encode_steering(const ServiceModel& service, json& object) {
  if (!service.pool.empty()) object["pool"] = service.pool;
  if (!service.split.empty()) object["split"] = encode_split(service.split);
  for (const SourceRouteModel& route : service.routes) {
    json entry{{"source", json::array()}};
    for (const Prefix& source : route.source) entry["source"].push_back(source.to_string());
    if (!route.pool.empty()) entry["pool"] = route.pool;
    if (!route.split.empty()) entry["split"] = encode_split(route.split);
    object["routes"].push_back(std::move(entry));
  }
  if (service.mirror) {
    object["mirror"] = {{"pool", service.mirror->pool}, {"fraction", service.mirror->fraction}};
  }
}

void check_steering(const Draft& draft, Faults& faults) {
  std::unordered_set<std::string_view> pools;
  for (const auto& [entry, index] : draft.pools) pools.insert(entry.pool.name);
  for (const auto& [entry, index] : draft.services) {
    const ServiceModel& service = entry.service;
    const std::string at = "/services/" + std::to_string(index);
    check_choice({service.pool, service.split, at}, faults);
    for (size_t i = 0; i < service.routes.size(); ++i) {
      const SourceRouteModel& route = service.routes[i];
      check_choice({route.pool, route.split, at + "/routes/" + std::to_string(i)}, faults);
    }
    check_mirror(service, at, faults);
    for_each_pool_name(service, [&](const std::string& pool, const std::string& pointer) {
      if (pool.empty() || pools.contains(pool)) return;
      faults.add(at + pointer, "there is no pool named \"" + pool + "\"");
    });
  }
}

}  // namespace sluice::ctrl
