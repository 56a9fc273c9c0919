// What people apply, and what became of it.
#include <algorithm>
#include <array>
#include <utility>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/config_warnings.h"
#include "ctrl/intent/memory_needs.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/store/access_check.h"
#include "ctrl/store/gateway_parts.h"
#include "ctrl/store/gateway_spans.h"
#include "ctrl/store/gateway_tunnels.h"

namespace sluice::ctrl {
namespace {

/// The settings that are read once, at the start; all others at their defaults.
nlohmann::json boot_settings(const Model& model) {
  Model boot;
  boot.gateway_name = model.gateway_name;
  boot.boot = model.boot;
  boot.hash_key = model.hash_key;
  boot.lameduck = model.lameduck;
  boot.control = model.control;
  boot.http = model.http;
  boot.ledger = model.ledger;
  boot.registry = model.registry;
  return to_json(boot);
}

std::vector<std::string> restart_needed(const Model& before, const Model& after) {
  std::vector<std::string> pointers;
  for (const DiffEntry& entry : diff_configurations(boot_settings(before), boot_settings(after))) {
    pointers.push_back(entry.pointer);
  }
  const bool may_move = before.tunnels.empty() || before.tunnel_state == after.tunnel_state;
  if (!may_move) pointers.push_back("/tunnel_state");
  return pointers;
}

Refusal needs_restart(const std::vector<std::string>& pointers) {
  Refusal refusal{Refusal::Kind::kRestartNeeded,
                  "nothing was applied: some of what differs is read only when sluiced starts",
                  "restart sluiced to apply it, or leave those settings as they are",
                  {}};
  for (const std::string& pointer : pointers) refusal.faults.push_back({pointer, "needs a restart"});
  return refusal;
}

Refusal takes_all_away(size_t services) {
  return {Refusal::Kind::kInvalid,
          "nothing was applied: it would take away all " + std::to_string(services) + " services",
          "apply it with allow_no_services (sluicectl config apply --allow-no-services) if that is meant",
          {{"/services", "there is no service left"}}};
}

/// Whether two configurations say the same. Those of one size are compared by what they share first.
bool is_same(const Model& a, const Model& b) {
  return a.pools.size() == b.pools.size() && a.services.size() == b.services.size() &&
         changed_parts(a, b).empty();
}

/// Whether there is room for the pools and streams of another configuration.
Outcome<void> check_growth(const Model& before, const Model& after) {
  const auto growth = [&](MemoryNeed (*needed)(const Model&)) {
    MemoryNeed need = needed(after);
    need.bytes -= std::min(need.bytes, needed(before).bytes);
    return need;
  };
  const auto enough = check_memory({growth(pool_memory), growth(inspection_memory)}, available_memory());
  if (enough) return {};
  return tl::unexpected(
      Refusal{Refusal::Kind::kUnavailable,
              enough.error().message,
              "nothing was applied: a smaller table_size of pools, or fewer streams or bytes, need less",
              {{enough.error().pointer, enough.error().message}}});
}

}  // namespace

Outcome<ApplyResult> Gateway::Parts::take(std::shared_ptr<const Model> next, const ApplyOptions& options,
                                          Step::Mode mode) {
  const auto now = time->now();
  const bool same = is_same(*next, *intent);
  const std::vector<BackendKey> reweighed = statuses.reset_weights();
  SetContents sets = contents_for(*next);
  auto inspections = inspections_for(*next, nullptr);
  if (!inspections) {
    statuses.discard();
    return tl::unexpected(std::move(inspections.error()));
  }
  if (same && reweighed.empty() && sets == effective->sets && *inspections == effective->inspections) {
    return ApplyResult{
        .generation = generation, .flows_cut = std::map<std::string, uint64_t>(), .is_applied = true};
  }
  if (same) next = intent;  // what was set at run time is no part of it: no generation
  auto states = tunnel_states;
  auto tunnels = plan_tunnels(states, *next, static_cast<unsigned>(data_plane->workers().size()),
                              mode == Step::Mode::kRehearse);
  if (!tunnels) {
    statuses.discard();
    return tl::unexpected(std::move(tunnels.error()));
  }
  if (states != tunnel_states) {
    const std::lock_guard lock(instant);
    tunnel_states = std::move(states);
  }
  const auto before = model, intent_before = intent;
  const uint64_t base = generation;
  const OfferedModel offered = with_offered_services(next);
  Members::Prepared prepared = members.prepare(*before, *offered.model);
  statuses.follow({*before, effective->members}, {*offered.model, prepared.lists}, now.wall);
  Step step{.intent = next,
            .model = offered.model,
            .members = prepared.lists,
            .tunnels = std::move(*tunnels),
            .mode = mode,
            .sets = std::move(sets),
            .inspections = std::move(*inspections)};
  for (const BackendKey& key : reweighed) step.touched_pools.insert(key.pool);
  const auto own_span = options.span ? nullptr : begin_change(spans, options, now.wall);
  step.causes = {{ChangeCause::kConfig, "config/" + std::to_string(generation + (same ? 0 : 1)), now.wall,
                  own_span ? own_span : options.span}};
  auto result = take(step);
  note_outcome(own_span, result);
  if (!result || !result->is_applied) return result;
  follow_members(*before, offered.model, std::move(prepared), now);
  if (!same) remember(intent_before, base, options, now, *result);
  return result;
}

Outcome<void> Gateway::Parts::check_generation(const std::optional<uint64_t>& wanted) const {
  if (!wanted || *wanted == generation) return {};
  return refuse(Refusal::Kind::kConflict,
                "the generation is " + std::to_string(generation) + ", not " + std::to_string(*wanted),
                "somebody else changed the configuration: look at what it is now, then apply again");
}

Outcome<Gateway::Parts::Admitted> Gateway::Parts::admit(const std::shared_ptr<const Model>& now,
                                                        const nlohmann::json& config,
                                                        const ApplyOptions& options) {
  auto parsed = parse_config(config);
  if (!parsed) return tl::unexpected(std::move(parsed.error()));
  const auto restart = restart_needed(*now, *parsed);
  if (!restart.empty()) return tl::unexpected(needs_restart(restart));
  if (parsed->services.empty() && !now->services.empty() && !options.allow_no_services) {
    return tl::unexpected(takes_all_away(now->services.size()));
  }
  if (auto enough = check_growth(*now, *parsed); !enough) return tl::unexpected(std::move(enough.error()));
  share_unchanged(*now, *parsed);
  auto warnings = warnings_of(*parsed, config);
  return Admitted{std::make_shared<const Model>(std::move(*parsed)), std::move(warnings)};
}

Gateway::Prepared Gateway::prepare(const nlohmann::json& config, const ApplyOptions& asked) {
  Parts& parts = *parts_;
  if (auto same = parts.check_generation(asked.if_generation); !same) {
    return tl::unexpected(std::move(same.error()));
  }
  ApplyOptions options = asked;
  const auto began = parts.time->wall();
  const auto now = intent();
  auto admitted = parts.admit(now, config, options);
  if (admitted) {
    if (auto open = check_access(*now, *admitted->model); !open) admitted = tl::unexpected(open.error());
  }
  InspectionContents inspections;
  if (admitted) {
    auto compiled = parts.inspections_for(*admitted->model, &config);
    if (compiled) {
      inspections = std::move(*compiled);
    } else {
      admitted = tl::unexpected(std::move(compiled.error()));
    }
  }
  options.span = parts.trace_admission(began, options, admitted);
  if (!admitted) {
    if (!options.dry_run) parts.note_refused(admitted.error().message, admitted.error().faults);
    return tl::unexpected(std::move(admitted.error()));
  }
  return std::make_shared<const Preparation>(Preparation{
      std::move(admitted->model), options.span, std::move(admitted->warnings), std::move(inspections)});
}

Outcome<ApplyResult> Gateway::apply(const nlohmann::json& config, const ApplyOptions& asked) {
  Parts& parts = *parts_;
  const auto admitted = prepare(config, asked);
  if (!admitted) return tl::unexpected(admitted.error());
  ApplyOptions options = asked;
  options.span = (*admitted)->span;
  const std::lock_guard turn(parts.turn);
  if (!options.dry_run) parts.await_turn();
  const std::lock_guard state(parts.state);
  if (auto same = parts.check_generation(options.if_generation); !same) {
    return tl::unexpected(std::move(same.error()));
  }
  auto result =
      parts.take((*admitted)->model, options, options.dry_run ? Step::Mode::kRehearse : Step::Mode::kTake);
  if (!options.dry_run) parts.last_apply_succeeded = result.has_value();
  if (result) result->warnings = (*admitted)->warnings;
  parts.trace_outcome(options.span, result);
  return result;
}

Outcome<std::vector<DiffEntry>> Gateway::diff(const nlohmann::json& config) const {
  auto model = parse_config(config, NamedFiles::kLeave);  // their names are compared
  if (!model) return tl::unexpected(std::move(model.error()));
  return diff_configurations(configuration(), to_json(*model));
}

nlohmann::json Gateway::configuration() const {
  return to_json(*intent());
}

}  // namespace sluice::ctrl
