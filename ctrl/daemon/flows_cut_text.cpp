#include "ctrl/daemon/flows_cut_text.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

namespace sluice::ctrl {

std::string flows_cut_text(const std::optional<std::map<std::string, uint64_t>>& cut) {
  constexpr size_t kMostNamed = 10;
  if (!cut) return "flows_cut=unknown";
  uint64_t sum = 0;
  std::vector<std::pair<uint64_t, std::string>> services;
  for (const auto& [service, flows] : *cut) {
    sum += flows;
    services.emplace_back(flows, service);
  }
  std::ranges::sort(services, std::ranges::greater());
  std::string names;
  for (size_t i = 0; i < std::min(services.size(), kMostNamed); ++i) {
    names += (i == 0 ? " (" : ", ") + services[i].second + " " + std::to_string(services[i].first);
  }
  if (services.size() > kMostNamed) names += ", ...";
  return "flows_cut=" + std::to_string(sum) + names + (names.empty() ? "" : ")");
}

}  // namespace sluice::ctrl
