#include "ctrl/resolve/disruption.h"

#include <utility>

namespace sluice::ctrl {
namespace {

using dataplane::Tables;

/// The table that packets to a service's first address and port meet; null where there is none.
const lb::PoolTable* table_at(const Tables& tables, const ServiceModel& service) {
  const lb::ServiceId id = tables.service_table->find(service.address.address,
                                                      Be16::from_host(service.first_port), service.protocol);
  return id == lb::kNoService ? nullptr : (*tables.services)[id].pool;
}

const lb::PoolTable* table_before(const Compilation& before, const ServiceModel& service) {
  const auto same_name = before.model.services.find(service.name);
  return table_at(before.tables, same_name == before.model.services.end() ? service : *same_name->second);
}

}  // namespace

double moved_fraction(const lb::PoolTable& then, const Tables& before, const lb::PoolTable& now,
                      const Tables& after) {
  // A table of another size maps every flow anew.
  if (then.slots().size() != now.slots().size()) return 1;
  if (now.slots().empty()) return 0;
  size_t moved = 0;
  for (size_t slot = 0; slot < now.slots().size(); ++slot) {
    const lb::BackendId old_id = then.slots()[slot], new_id = now.slots()[slot];
    if (old_id == new_id) continue;
    const lb::Backend& old_backend = (*before.backends)[old_id];
    const lb::Backend& new_backend = (*after.backends)[new_id];
    moved += old_backend.address != new_backend.address || old_backend.port != new_backend.port;
  }
  return static_cast<double>(moved) / static_cast<double>(now.slots().size());
}

std::map<std::string, double> disruption(const Compilation& before, const Compilation& after) {
  std::map<std::string, double> result;
  std::map<std::pair<const lb::PoolTable*, const lb::PoolTable*>, double> known;
  for (const auto& [name, service] : after.model.services) {
    const lb::PoolTable* const then = table_before(before, *service);
    const lb::PoolTable* const now = table_at(after.tables, *service);
    if (!then || then == now) continue;
    const auto [place, is_new] = known.emplace(std::pair(then, now), 0.0);
    if (is_new) place->second = moved_fraction(*then, before.tables, *now, after.tables);
    result.emplace(name, place->second);
  }
  return result;
}

}  // namespace sluice::ctrl
