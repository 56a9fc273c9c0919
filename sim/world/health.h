// The gateways' health checks, by virtual time and with virtual probes: what they find is told to all
// gateways. Their own means fail at times, which says nothing of a backend. One thread.
#pragma once

#include <memory>

#include "ctrl/health/health_checks.h"
#include "sim/world/changes.h"

namespace sluice::sim {

class Health {
 public:
  static constexpr size_t kMostAtOnce = 4;

  /// Borrows both. Until `until` the means may fail.
  Health(World& world, Changes& changes, Chance chance, Nanoseconds until);
  ~Health();
  /// Every listed backend lives, and its checks have had their time.
  void check_all_found() const;

 private:
  class Runner;
  void follow_later();
  void fail_later();
  void hear(const ctrl::HealthChecks::Results& results);
  void hear(const ctrl::Gateway::HealthResult& result);
  void check_found() const;
  BackendHost* host_of(const ctrl::BackendKey& key) const;

  World& world_;
  Changes& changes_;
  Chance chance_;
  Nanoseconds until_;
  bool has_means_ = true;
  Nanoseconds means_since_ = 0;
  std::shared_ptr<const ctrl::Effective> followed_;
  ctrl::HealthChecks checks_;
};

}  // namespace sluice::sim
