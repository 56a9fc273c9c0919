// The rows of backend.list: made when something is published, read by anybody since.
#include <unordered_map>
#include <utility>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {

std::shared_ptr<const PublishedPool> Gateway::Parts::published_pool(const EffectivePool& pool) const {
  const PoolModel& wanted = *pool.intent;
  auto published = std::make_shared<PublishedPool>();
  const auto table_of = [&](IpProtocol protocol) {
    const auto index = ids.find_pool_table(wanted.name, protocol);
    return index ? tables->pools[*index] : nullptr;
  };
  published->tcp_table = table_of(IpProtocol::kTcp);
  published->udp_table = table_of(IpProtocol::kUdp);
  published->availability = statuses.pool(wanted.name);
  const lb::PoolTable* const table =
      published->tcp_table ? published->tcp_table.get() : published->udp_table.get();
  std::unordered_map<lb::BackendId, double> shares;
  for (size_t i = 0; table && i < table->candidates().size(); ++i) {
    shares[table->candidates()[i].id] =
        static_cast<double>(table->slot_counts()[i]) / static_cast<double>(table->slots().size());
  }
  if (wanted.discover) published->source = wanted.discover->source;
  published->backends.reserve(pool.members->members.size());
  BackendKey key{wanted.name, {}, 0};
  for (const Member& member : pool.members->members) {
    key.address = member.at.address;
    key.port = member.at.port;
    const auto id = ids.find_backend(key);
    const BackendStatus* const status = statuses.find(key);
    if (!id || !status) continue;
    EffectiveState state = effective_state(*status);
    const auto share = shares.find(*id);
    published->backends.push_back({member.at, *id, state.state, std::move(state.reason), status->since,
                                   status->weight(), share == shares.end() ? 0 : share->second,
                                   member.is_from_file});
  }
  return published;
}

void Gateway::Parts::publish_service_numbers() {
  if (service_numbers_of == tables->service_table) return;
  auto numbers = std::make_shared<ServiceNumbers>();
  for (const auto& [name, service] : model->services) {
    if (const auto id = ids.find_service(identity_of(*service)))
      numbers->emplace_hint(numbers->end(), name, *id);
  }
  service_numbers_of = tables->service_table;
  std::shared_ptr<const ServiceNumbers> next = std::move(numbers);
  const std::lock_guard lock(instant);
  std::swap(service_numbers, next);
}

std::optional<lb::ServiceId> Gateway::Parts::service_number(const std::string& service) const {
  const std::lock_guard lock(instant);
  const auto found = service_numbers->find(service);
  return found == service_numbers->end() ? std::nullopt : std::optional(found->second);
}

void Gateway::Parts::publish_rows(std::set<std::string> pools) {
  const SharedMap<EffectivePool> before = rows_of ? rows_of->pools : SharedMap<EffectivePool>();
  for_each_difference(before, effective->pools,
                      [&](const std::string& name, auto, auto) { pools.insert(name); });
  rows_of = effective;
  if (pools.empty()) return;
  SharedMap<PublishedPool> next = rows;
  for (const std::string& name : pools) {
    const auto pool = effective->pools.find(name);
    if (pool == effective->pools.end()) {
      next.erase(name);
    } else {
      next.set(name, published_pool(*pool->second));
    }
  }
  const std::lock_guard lock(instant);
  std::swap(rows, next);
}

std::shared_ptr<const PublishedPool> Gateway::Parts::published(const std::string& pool) const {
  const std::lock_guard lock(instant);
  const auto found = rows.find(pool);
  return found == rows.end() ? nullptr : found->second;
}

PoolAvailability Gateway::availability(const std::string& pool) const {
  const auto published = parts_->published(pool);
  return published ? published->availability : PoolAvailability{};
}

bool Gateway::Parts::add_rows(const std::string& pool, std::vector<BackendRow>& all) const {
  // As long as it is held no number is given to anybody else.
  const std::lock_guard lock(counting);
  const auto there = published(pool);
  if (!there) return false;
  for (const PublishedBackend& backend : there->backends) {
    BackendKey key{pool, backend.at.address, backend.at.port};
    const Totals totals =
        backend_totals.of(key, backend.id, [this](uint32_t number) { return count_backend(number); });
    const bool is_from_file = backend.is_from_file || there->source.empty();
    all.push_back({std::move(key), backend.state, backend.reason, backend.since, backend.weight,
                   is_from_file ? "file" : there->source, backend.share, totals});
  }
  return true;
}

Outcome<std::vector<BackendRow>> Gateway::backends(const std::optional<std::string>& pool) const {
  const Parts& parts = *parts_;
  std::vector<BackendRow> all;
  if (pool) {
    if (parts.add_rows(*pool, all)) return all;
    return refuse(Refusal::Kind::kNotFound, "there is no pool named \"" + *pool + "\"");
  }
  SharedMap<PublishedPool> pools;
  {
    const std::lock_guard lock(parts.instant);
    pools = parts.rows;
  }
  for (const auto& [name, ignored] : pools) parts.add_rows(name, all);
  return all;
}

}  // namespace sluice::ctrl
