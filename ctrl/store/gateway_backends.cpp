// Backends at run time, and what was counted for them and for services.
#include <algorithm>
#include <set>
#include <utility>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/service_pools.h"
#include "ctrl/store/gateway_parts.h"
#include "lb/handshake_watch.h"

namespace sluice::ctrl {
namespace {

tl::unexpected<Refusal> no_pool(const std::string& name) {
  return refuse(Refusal::Kind::kNotFound, "there is no pool named \"" + name + "\"");
}

tl::unexpected<Refusal> no_backend(const BackendKey& key) {
  return refuse(Refusal::Kind::kNotFound,
                "pool \"" + key.pool + "\" has no backend " + endpoint_text(key.address, key.port));
}

/// What changed, as narrowly as one name says it.
std::string object_of(const std::set<BackendKey>& keys) {
  const BackendKey& first = *keys.begin();
  if (keys.size() == 1) return "backend/" + first.pool + "/" + endpoint_text(first.address, first.port);
  const bool is_one_pool = std::ranges::all_of(keys, [&](const auto& key) { return key.pool == first.pool; });
  return is_one_pool ? "pool/" + first.pool : "pool/*";
}

using CountersOf = std::span<const lb::TargetCounters> (dataplane::DataPlane::*)(unsigned) const;

Totals sum(const dataplane::DataPlane& data_plane, const std::vector<unsigned>& workers,
           CountersOf counters_of, uint32_t number) {
  Totals totals;
  for (const unsigned worker : workers) {
    const lb::TargetCounters& counted = (data_plane.*counters_of)(worker)[number];
    totals.packets += counted.packets.read();
    totals.bytes += counted.bytes.read();
    totals.flows += counted.flows.read();
    totals.active_flows += counted.active_flows.read();
  }
  return totals;
}

}  // namespace

const PoolModel* Gateway::Parts::pool(const std::string& name) const {
  const auto found = model->pools.find(name);
  return found == model->pools.end() ? nullptr : found->second.get();
}

Outcome<ApplyResult> Gateway::set_backend(const BackendKey& key, std::optional<uint32_t> weight,
                                          std::optional<AdminState> state) {
  const auto seen = parts_->time->wall();
  Parts& parts = *parts_;
  constexpr uint32_t kGreatestWeight = 65535;
  const std::lock_guard turn(parts.turn);
  parts.await_turn();
  const std::lock_guard lock(parts.state);
  if (!parts.pool(key.pool)) return no_pool(key.pool);
  if (!parts.statuses.find(key)) return no_backend(key);
  if (!weight && !state) return refuse(Refusal::Kind::kInvalid, "give a weight, a state, or both");
  if (weight && *weight > kGreatestWeight) {
    return refuse(Refusal::Kind::kInvalid, "a weight is 0 to 65535, not " + std::to_string(*weight));
  }
  bool differs = weight && parts.statuses.set_weight(key, *weight);
  differs |= state && parts.statuses.set_admin(key, *state, seen);
  if (!differs) return ApplyResult{.generation = parts.generation, .is_applied = true};
  Step step = parts.step_now();
  step.touched_pools.insert(key.pool);
  step.causes = {{ChangeCause::kOperator, object_of({key}), seen}};
  return parts.take(step);
}

void Gateway::set_health(const BackendKey& key, bool healthy, const std::string& reason) {
  set_health(std::vector<HealthResult>{{key, healthy, reason}});
}

void Gateway::set_health(const std::vector<HealthResult>& results) {
  const auto seen = parts_->time->wall();
  Parts& parts = *parts_;
  const std::lock_guard turn(parts.turn);
  parts.await_turn();
  const std::lock_guard lock(parts.state);
  std::set<BackendKey> touched;
  for (const HealthResult& result : results) {
    const PoolModel* const pool = parts.pool(result.key.pool);
    if (!pool || pool->health.type == HealthType::kNone)
      continue;  // a check that ended after its pool changed
    if (parts.statuses.set_health(result.key, result.healthy, result.reason, seen, result.known)) {
      touched.insert(result.key);
    }
  }
  if (touched.empty()) return parts.commit_statuses();
  Step step = parts.step_now();
  for (const BackendKey& key : touched) step.touched_pools.insert(key.pool);
  step.causes = {{ChangeCause::kHealth, object_of(touched), seen}};
  // No new number is needed, so there is nothing that this could be refused for.
  static_cast<void>(parts.take(step));
}

void Gateway::Parts::commit_statuses(const std::vector<BackendKey>& renumbered) {
  StatusChanges changes = statuses.commit();
  for (const BackendKey& key : renumbered) changes.touched_pools.insert(key.pool);
  if (tables) {
    publish_service_numbers();
    publish_rows(std::move(changes.touched_pools));
  }
  transition_log.write(changes, *model, time->steady());
  tell(changes);
  trace(changes);
}

std::optional<BackendStatus> Gateway::status_of(const BackendKey& key) const {
  const std::lock_guard lock(parts_->state);
  const BackendStatus* const status = parts_->statuses.find(key);
  return status ? std::optional(*status) : std::nullopt;
}

Outcome<void> Gateway::flush_flows(const BackendKey& key) {
  const auto seen = parts_->time->wall();
  const std::lock_guard turn(parts_->turn);
  parts_->await_turn();
  const std::lock_guard lock(parts_->state);
  if (!parts_->pool(key.pool)) return no_pool(key.pool);
  if (!parts_->statuses.find(key)) return no_backend(key);
  Step step = parts_->step_now();
  step.flushed = {key};
  step.causes = {{ChangeCause::kOperator, object_of({key}), seen}};
  auto result = parts_->take(step);
  if (!result) return tl::unexpected(std::move(result.error()));
  return {};
}

Outcome<std::shared_ptr<const lb::PoolTable>> Gateway::table_of(
    const std::string& service, const std::optional<std::string>& pool) const {
  const auto now = model();
  const auto found = now->services.find(service);
  if (found == now->services.end()) {
    return refuse(Refusal::Kind::kNotFound, "there is no service named \"" + service + "\"");
  }
  const auto pools = pools_of(*found->second);
  if (!pool && pools.size() > 1) {
    std::string names;
    for (const std::string_view name : pools) names.append(names.empty() ? "" : ", ").append(name);
    return refuse(Refusal::Kind::kInvalid,
                  "service \"" + service + "\" has several pools: give \"pool\", one of " + names);
  }
  const auto all = all_pools_of(*found->second);
  if (pool && std::ranges::find(all, *pool) == all.end()) {
    return refuse(Refusal::Kind::kNotFound, "service \"" + service + "\" has no pool \"" + *pool + "\"");
  }
  const std::string name(pool ? std::string_view(*pool) : pools.front());
  const auto published = parts_->published(name);
  auto table = published ? published->table(found->second->protocol) : nullptr;
  if (!table) return no_pool(name);  // it comes, or goes, at this moment
  return table;
}

Totals Gateway::Parts::count_service(lb::ServiceId id) const {
  Totals totals = sum(*data_plane, balancers, &dataplane::DataPlane::service_counters, id);
  for (const unsigned worker : balancers) {
    const lb::AnswerCounters& answers = data_plane->answer_counters(worker)[id];
    totals.answer_packets += answers.packets.read();
    totals.answer_bytes += answers.bytes.read();
  }
  return totals;
}

Totals Gateway::Parts::count_backend(lb::BackendId id) const {
  return sum(*data_plane, balancers, &dataplane::DataPlane::backend_counters, id);
}

uint64_t Gateway::Parts::flows_begun(lb::BackendId id) const {
  uint64_t flows = 0;
  for (const unsigned worker : balancers) flows += data_plane->backend_counters(worker)[id].flows.read();
  return flows;
}

Totals Gateway::service_totals(const std::string& service) const {
  // As long as it is held no number is given to anybody else.
  const std::lock_guard lock(parts_->counting);
  return parts_->service_totals.of(service, parts_->service_number(service),
                                   [&](uint32_t id) { return parts_->count_service(id); });
}

Totals Gateway::Parts::totals_of(const BackendKey& key) const {
  return backend_totals.of(key, ids.find_backend(key), [this](uint32_t id) { return count_backend(id); });
}

Totals Gateway::backend_totals(const BackendKey& key) const {
  const std::lock_guard lock(parts_->state);
  return parts_->totals_of(key);
}

std::optional<std::string> Gateway::service_name(lb::ServiceId id) const {
  const std::lock_guard lock(parts_->state);
  const ServiceIdentity* const identity = parts_->ids.service_at(id);
  return identity ? std::optional(identity->name) : std::nullopt;
}

std::optional<BackendKey> Gateway::backend_name(lb::BackendId id) const {
  const std::lock_guard lock(parts_->state);
  const BackendKey* const key = parts_->ids.backend_at(id);
  return key ? std::optional(*key) : std::nullopt;
}

void Gateway::Parts::collect_numbers() {
  // A worker that still works with older Tables may give a retired number to a flow.
  if (!ids.has_retired() || !is_settled()) return;
  flow_marks.begin(flow_lanes.get());
  bool is_any_free = false;
  ids.collect(
      [&](lb::ServiceId id) {
        const Totals counted = count_service(id);
        if (counted.active_flows > 0 || !flow_marks.is_free_service(id)) return false;
        is_any_free = true;
        const std::string& name = ids.retired_service(id).name;
        const std::lock_guard lock(counting);
        service_totals.collect(name, id, model->services.contains(name), counted);
        for (const unsigned worker : balancers) data_plane->handshakes(worker).forget_service(id);
        return true;
      },
      [&](lb::BackendId id) {
        const Totals counted = count_backend(id);
        if (counted.active_flows > 0 || !flow_marks.is_free_backend(id)) return false;
        is_any_free = true;
        const BackendKey& key = ids.retired_backend(id);
        const std::lock_guard lock(counting);
        backend_totals.collect(key, id, statuses.find(key) != nullptr, counted);
        for (const unsigned worker : balancers) data_plane->handshakes(worker).forget_backend(id);
        return true;
      });
  flow_marks.end(flow_lanes.get());
  if (is_any_free && flow_lanes) flow_lanes->names_version.fetch_add(1);
}

}  // namespace sluice::ctrl
