// Gives numbers to services, backends and pool tables, and keeps them until no worker's flow refers to
// them any more. What compile() changes is tentative until commit(). Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/intent/model.h"
#include "ctrl/resolve/number_pool.h"
#include "lb/view.h"

namespace sluice::ctrl {

/// A service's identity: what, when it changes, ends the flows that it has.
struct ServiceIdentity {
  std::string name;
  Prefix address;
  uint16_t first_port = 0;
  uint16_t last_port = 0;
  IpProtocol protocol{};
  lb::ForwardMode forward{};
  std::string pool;
  auto operator<=>(const ServiceIdentity&) const = default;
};

ServiceIdentity identity_of(const ServiceModel& service);

class IdRegistry {
 public:
  /// The number of that identity, the one it has or a fresh one; nothing when all are taken.
  std::optional<lb::ServiceId> service(const ServiceIdentity& identity) { return services_.obtain(identity); }
  std::optional<lb::BackendId> backend(const BackendKey& key) { return backends_.obtain(key); }
  std::optional<uint32_t> pool_table(const std::string& pool, IpProtocol protocol) {
    return pool_tables_.obtain({pool, protocol});
  }

  /// The number that something has now, if any.
  std::optional<lb::ServiceId> find_service(const ServiceIdentity& identity) const {
    return services_.find(identity);
  }
  std::optional<lb::BackendId> find_backend(const BackendKey& key) const { return backends_.find(key); }
  std::optional<uint32_t> find_pool_table(const std::string& pool, IpProtocol protocol) const {
    return pool_tables_.find({pool, protocol});
  }

  /// Numbers that are in use, by number; nullptr where a number is free or only waits to be free. Valid
  /// until the next change.
  const ServiceIdentity* service_at(lb::ServiceId id) const { return services_.at(id); }
  const BackendKey* backend_at(lb::BackendId id) const { return backends_.at(id); }
  size_t service_limit() const { return services_.limit(); }  ///< one past the greatest number ever given
  size_t backend_limit() const { return backends_.limit(); }

  /// Retires what is no longer configured. A retired number is given again only after `is_idle(number)`
  /// was true at a later collect(): no flow on any worker refers to it.
  void retire_service(lb::ServiceId id) { services_.retire(id); }
  void retire_backend(lb::BackendId id) { backends_.retire(id); }
  /// A pool table's number is only the place of a cursor: it may be given again at once.
  void release_pool_table(uint32_t index) { pool_tables_.release(index); }

  struct Retired {
    std::vector<lb::ServiceId> services;
    std::vector<lb::BackendId> backends;
  };
  /// Makes what was given and retired since the last commit() final, or takes it all back.
  Retired commit();
  void discard();

  bool has_retired() const { return !services_.retired().empty() || !backends_.retired().empty(); }
  void collect(const std::function<bool(lb::ServiceId)>& service_is_idle,
               const std::function<bool(lb::BackendId)>& backend_is_idle);
  const std::vector<uint32_t>& retired_services() const { return services_.retired(); }
  const std::vector<uint32_t>& retired_backends() const { return backends_.retired(); }
  /// What a number stands for, or stood for last.
  const ServiceIdentity& last_service_at(lb::ServiceId id) const { return services_.former_key(id); }
  /// What a retired number stood for, until it is collected.
  const ServiceIdentity& retired_service(lb::ServiceId id) const { return services_.former_key(id); }
  const BackendKey& last_backend_at(lb::BackendId id) const { return backends_.former_key(id); }
  const BackendKey& retired_backend(lb::BackendId id) const { return backends_.former_key(id); }

 private:
  NumberPool<ServiceIdentity> services_{lb::kMaxServices};
  NumberPool<BackendKey> backends_{lb::kMaxBackends};
  NumberPool<std::pair<std::string, IpProtocol>> pool_tables_{lb::kMaxPools};
};

}  // namespace sluice::ctrl
