// The rows of backend.list: made when something is published, read by anybody since.
#include <unordered_map>
#include <utility>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {

std::shared_ptr<const PublishedPool> Gateway::Parts::published_pool(const EffectivePool& pool) const {
  const PoolModel& wanted = *pool.intent;
  auto index = ids.find_pool_table(wanted.name, IpProtocol::kTcp);
  if (!index) index = ids.find_pool_table(wanted.name, IpProtocol::kUdp);
  const lb::PoolTable* const table = index ? tables->pools[*index].get() : nullptr;
  std::unordered_map<lb::BackendId, double> shares;
  for (size_t i = 0; table && i < table->candidates().size(); ++i) {
    shares[table->candidates()[i].id] =
        static_cast<double>(table->slot_counts()[i]) / static_cast<double>(table->slots().size());
  }
  auto published = std::make_shared<PublishedPool>();
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

bool Gateway::Parts::add_rows(const std::string& pool, std::vector<BackendRow>& all) const {
  // As long as it is held no number is given to anybody else.
  const std::lock_guard lock(counting);
  std::shared_ptr<const PublishedPool> published;
  {
    const std::lock_guard at_once(instant);
    const auto found = rows.find(pool);
    if (found == rows.end()) return false;
    published = found->second;
  }
  for (const PublishedBackend& backend : published->backends) {
    BackendKey key{pool, backend.at.address, backend.at.port};
    const Totals totals =
        backend_totals.of(key, backend.id, [this](uint32_t number) { return count_backend(number); });
    const bool is_from_file = backend.is_from_file || published->source.empty();
    all.push_back({std::move(key), backend.state, backend.reason, backend.since, backend.weight,
                   is_from_file ? "file" : published->source, backend.share, totals});
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
