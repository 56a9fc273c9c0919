#include "ctrl/resolve/id_registry.h"

namespace sluice::ctrl {

ServiceIdentity identity_of(const ServiceModel& service) {
  return {service.name,     service.address, service.first_port, service.last_port,
          service.protocol, service.forward, service.pool};
}

IdRegistry::Retired IdRegistry::commit() {
  pool_tables_.commit();
  return {services_.commit(), backends_.commit()};
}

void IdRegistry::discard() {
  services_.discard();
  backends_.discard();
  pool_tables_.discard();
}

void IdRegistry::collect(const std::function<bool(lb::ServiceId)>& service_is_idle,
                         const std::function<bool(lb::BackendId)>& backend_is_idle) {
  services_.collect(service_is_idle);
  backends_.collect(backend_is_idle);
}

}  // namespace sluice::ctrl
