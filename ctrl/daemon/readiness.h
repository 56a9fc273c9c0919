// What /readyz answers: a list of conditions, each met or not, as Kubernetes' components write it.
// Control thread.
#pragma once

#include <string>
#include <vector>

#include "ctrl/http/http_server.h"
#include "ctrl/store/gateway.h"

namespace sluice::ctrl {

struct ReadyCondition {
  std::string name;
  bool is_met = true;
  std::string text = {};  ///< for people: why it is not met, or how
  bool decides = true;    ///< false: shown alone, the gateway is ready without it
};

/// 200 where every condition that decides is met, else 503 and why. `ready` is the line of 200.
HttpAnswer ready_answer(const std::vector<ReadyCondition>& conditions, const std::string& ready);
/// The same status, and a line for each condition: `[+]name ok`, `[-]name failed: why`.
HttpAnswer verbose_ready_answer(const std::vector<ReadyCondition>& conditions);

/// A condition for each pool, those with nobody left first; of so many pools, and a last line for the rest.
inline constexpr size_t kMostPoolConditions = 1000;
void add_pool_conditions(std::vector<ReadyCondition>& conditions, const Gateway& gateway);

}  // namespace sluice::ctrl
