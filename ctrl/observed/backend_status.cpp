#include "ctrl/observed/backend_status.h"

namespace sluice::ctrl {

uint8_t slow_start_tenths(std::chrono::steady_clock::duration since_begin,
                          std::chrono::steady_clock::duration slow_start) {
  if (since_begin >= slow_start) return lb::kWholeWeight;
  return static_cast<uint8_t>(1 + (lb::kWholeWeight - 1) * since_begin / slow_start);
}

EffectiveState effective_state(const BackendStatus& status) {
  const std::string health = status.health_reason.empty() ? "configured" : status.health_reason;
  if (status.admin == AdminState::kMaintenance) return {lb::BackendState::kMaintenance, "set by an operator"};
  if (!status.healthy) return {lb::BackendState::kDown, health};
  if (!status.ejected.empty()) return {lb::BackendState::kDown, status.ejected};
  if (status.admin == AdminState::kDraining) return {lb::BackendState::kDraining, "set by an operator"};
  if (status.offer == Offer::kWithdrawn) return {lb::BackendState::kDraining, "withdrawn by its source"};
  if (status.offer == Offer::kDrains) return {lb::BackendState::kDraining, "set by its source"};
  return {lb::BackendState::kActive, health};
}

}  // namespace sluice::ctrl
