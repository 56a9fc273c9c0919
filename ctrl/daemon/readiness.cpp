#include "ctrl/daemon/readiness.h"

#include <algorithm>

#include "ctrl/observed/backend_statuses.h"

namespace sluice::ctrl {
namespace {

bool stands_in_the_way(const ReadyCondition& condition) {
  return condition.decides && !condition.is_met;
}

}  // namespace

HttpAnswer ready_answer(const std::vector<ReadyCondition>& conditions, const std::string& ready) {
  const auto first = std::ranges::find_if(conditions, stands_in_the_way);
  if (first == conditions.end()) return {200, kPlainText, ready + "\n"};
  return {503, kPlainText, first->text + "\n"};
}

HttpAnswer verbose_ready_answer(const std::vector<ReadyCondition>& conditions) {
  const bool is_ready = std::ranges::none_of(conditions, stands_in_the_way);
  std::string text;
  for (const ReadyCondition& condition : conditions) {
    const std::string more = condition.text.empty() ? "" : ": " + condition.text;
    text += (condition.is_met ? "[+]" : "[-]") + condition.name + (condition.is_met ? " ok" : " failed") +
            more + "\n";
  }
  text += is_ready ? "readyz check passed\n" : "readyz check failed\n";
  return {is_ready ? 200u : 503u, kPlainText, text};
}

void add_pool_conditions(std::vector<ReadyCondition>& conditions, const Gateway& gateway) {
  const auto model = gateway.model();
  const auto& pools = model->pools;
  size_t shown = 0;
  for (const bool is_met : {false, true}) {
    for (const auto& [name, pool] : pools) {
      const PoolAvailability numbers = gateway.availability(name);
      if ((numbers.available > 0) != is_met || shown == kMostPoolConditions) continue;
      ++shown;
      conditions.push_back({"pool/" + name, is_met,
                            std::to_string(numbers.available) + " of " + std::to_string(numbers.listed) +
                                " backends are available",
                            false});
    }
  }
  if (shown < pools.size()) {
    conditions.push_back(
        {"pools", true, std::to_string(pools.size() - shown) + " more are not shown", false});
  }
}

}  // namespace sluice::ctrl
