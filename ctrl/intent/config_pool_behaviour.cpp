#include "ctrl/intent/config_pool_behaviour.h"

#include <map>
#include <string>

#include "ctrl/intent/config_duration.h"
#include "ctrl/intent/config_values.h"
#include "ctrl/intent/service_pools.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kShortestEjection{100};

}  // namespace

void decode_pool_behaviour(const Cursor& pool, PoolModel& target) {
  if (const Cursor panic = pool.member("panic")) target.panic = panic.value().get<double>();
  read_duration(pool, "slow_start", milliseconds(0), target.slow_start);
  const Cursor outlier = pool.member("outlier");
  if (!outlier) return;
  OutlierModel& rule = target.outlier.emplace();
  outlier.read("failures", rule.failures);
  read_duration(outlier, "window", milliseconds(1), rule.window);
  read_duration(outlier, "ejection", kShortestEjection, rule.ejection);
  outlier.read("most", rule.most);
}

void encode_pool_behaviour(const PoolModel& pool, json& object) {
  if (pool.panic) object["panic"] = *pool.panic;
  if (pool.slow_start.count() > 0) object["slow_start"] = format_duration(pool.slow_start);
  if (!pool.outlier) return;
  const OutlierModel& rule = *pool.outlier;
  object["outlier"] = {{"failures", rule.failures},
                       {"window", format_duration(rule.window)},
                       {"ejection", format_duration(rule.ejection)},
                       {"most", rule.most}};
}

void check_seen_answers(const Draft& draft, Cursor::Faults& faults) {
  std::map<std::string_view, size_t> with_outlier;
  for (const auto& [entry, index] : draft.pools) {
    if (entry.pool.outlier) with_outlier.emplace(entry.pool.name, index);
  }
  for (const auto& [entry, index] : draft.services) {
    const ServiceModel& service = entry.service;
    if (lb::is_nat(service.forward)) continue;
    const std::string who = std::string("answers to service \"") + service.name + "\", which forwards by " +
                            word_for(service.forward) + ", do not come by the gateway";
    if (service.policy == lb::Policy::kLeastResponseTime) {
      faults.add("/services/" + std::to_string(index) + "/policy",
                 "least-response-time goes by answers of backends: " + who);
    }
    for (const std::string_view pool : all_pools_of(service)) {
      const auto found = with_outlier.find(pool);
      if (found == with_outlier.end()) continue;
      faults.add("/pools/" + std::to_string(found->second) + "/outlier",
                 "goes by answers of backends: " + who);
    }
  }
}

}  // namespace sluice::ctrl
