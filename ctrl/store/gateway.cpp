#include "ctrl/store/gateway.h"

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/config_warnings.h"
#include "ctrl/intent/memory_needs.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/resolve/compile_ledger.h"
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {
namespace {

using std::chrono::system_clock;

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
  return to_json(boot);
}

std::vector<std::string> restart_needed(const Model& before, const Model& after) {
  std::vector<std::string> pointers;
  for (const DiffEntry& entry : diff_configurations(boot_settings(before), boot_settings(after))) {
    pointers.push_back(entry.pointer);
  }
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

/// Whether there is room for the pools of another configuration.
Outcome<void> check_growth(const Model& before, const Model& after) {
  MemoryNeed need = pool_memory(after);
  const uint64_t now = pool_memory(before).bytes;
  need.bytes -= std::min(need.bytes, now);
  const auto enough = check_memory({need}, available_memory());
  if (enough) return {};
  return tl::unexpected(Refusal{Refusal::Kind::kUnavailable,
                                enough.error().message,
                                "nothing was applied: a smaller table_size of the pools needs less",
                                {{need.pointer, enough.error().message}}});
}

}  // namespace

Gateway::Gateway() : parts_(std::make_unique<Parts>()) {}

Gateway::~Gateway() {
  stop();
}

Result<std::unique_ptr<Gateway>> Gateway::start(Model model, std::string author, SipKey kept_hash_key) {
  if (auto enough = check_memory(memory_needs(model), available_memory()); !enough) {
    return tl::unexpected(enough.error());
  }
  std::unique_ptr<Gateway> gateway(new Gateway());
  Parts& parts = *gateway->parts_;
  parts.kept_hash_key = kept_hash_key;
  dataplane::BootConfig boot = model.boot;
  if (model.ledger) {
    auto ledger = ledger_config(*model.ledger);
    if (!ledger) return tl::unexpected(ledger.error());
    boot.ledger = std::move(*ledger);
  }
  auto data_plane = dataplane::DataPlane::create(boot);
  if (!data_plane) return tl::unexpected(data_plane.error());
  parts.data_plane = std::move(*data_plane);
  parts.ports = parts.data_plane->ports();
  for (const dataplane::WorkerInfo& worker : parts.data_plane->workers()) {
    if (worker.balances) parts.balancers.push_back(worker.index);
  }
  parts.model = std::make_shared<const Model>(std::move(model));
  parts.statuses.follow(Model{}, *parts.model, system_clock::now());
  parts.commit_statuses();
  auto compiled = compile({.model = *parts.model,
                           .status = parts.statuses.all(),
                           .ports = parts.ports,
                           .generation = 1,
                           .kept_hash_key = kept_hash_key},
                          parts.ids);
  if (!compiled) return fail(compiled.error().message);
  parts.ids.commit();
  parts.tables = compiled->tables;
  parts.generation = 1;
  if (auto started = parts.data_plane->start(parts.tables); !started) return tl::unexpected(started.error());
  parts.kept = {parts.model, parts.tables};
  parts.history.add({1, system_clock::now(), std::move(author), "", compiled->changed}, parts.model);
  return gateway;
}

Outcome<ApplyResult> Gateway::Parts::take(const Step& step) {
  auto compiled = compile({*step.model, statuses.all(), ports, tables->generation + 1, model.get(),
                           tables.get(), step.touched_pools, step.flushed, kept_hash_key},
                          ids);
  const auto result = [&](bool is_applied) {
    return ApplyResult{.generation = generation,
                       .changed = std::move(compiled->changed),
                       .disruption = std::move(compiled->disruption),
                       .flows_cut = {},
                       .is_applied = is_applied,
                       .tables = compiled->tables,
                       .warnings = {}};
  };
  const bool is_rehearsal =
      step.mode == Step::Mode::kRehearse ||
      (step.mode == Step::Mode::kTakeUnlessFlowsEnd && compiled && may_end_flows(*compiled->tables));
  if (!compiled || is_rehearsal) {
    ids.discard();
    statuses.discard();
    if (!compiled) return tl::unexpected(compiled.error());
    return result(false);
  }
  const IdRegistry::Retired retired = ids.commit();
  for (const lb::ServiceId id : retired.services) service_totals.retire(ids.retired_service(id).name, id);
  for (const lb::BackendId id : retired.backends) backend_totals.retire(ids.retired_backend(id), id);
  if (step.model != model) ++generation;
  publish(step.model, compiled->tables);
  commit_statuses();
  if (listener) listener();
  return result(true);
}

void Gateway::Parts::publish(std::shared_ptr<const Model> new_model,
                             std::shared_ptr<const dataplane::Tables> new_tables) {
  if (new_model != model) kept.push_back(new_model);
  kept.push_back(new_tables);
  const std::lock_guard lock(instant);
  model.swap(new_model);
  tables.swap(new_tables);
  data_plane->publish(tables);
  last_published = std::chrono::steady_clock::now();
}

bool Gateway::Parts::is_settled() const {
  const std::lock_guard lock(instant);
  return data_plane->settled();
}

void Gateway::Parts::await_turn() {
  constexpr std::chrono::microseconds kLook{200};
  constexpr std::chrono::milliseconds kWorkerPatience{100};  // a stuck worker must not end all changes
  std::this_thread::sleep_until(last_published + kBetweenPublications);
  const auto deadline = last_published + kWorkerPatience;
  while (!is_settled() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(kLook);
}

Outcome<ApplyResult> Gateway::Parts::take(std::shared_ptr<const Model> next, const std::string& author,
                                          Step::Mode mode) {
  if (is_same(*next, *model)) {
    return ApplyResult{
        .generation = generation, .flows_cut = std::map<std::string, uint64_t>(), .is_applied = true};
  }
  const auto now = system_clock::now();
  statuses.follow(*model, *next, now);
  auto result = take(Step{.model = next, .mode = mode});
  if (result && result->is_applied) {
    history.add({generation, now, author, "", result->changed}, std::move(next));
  }
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

Outcome<ApplyResult> Gateway::apply(const nlohmann::json& config, const ApplyOptions& options) {
  Parts& parts = *parts_;
  if (auto same = parts.check_generation(options.if_generation); !same) {
    return tl::unexpected(std::move(same.error()));
  }
  auto admitted = parts.admit(model(), config, options);
  if (!admitted) {
    if (!options.dry_run) parts.last_apply_succeeded = false;
    return tl::unexpected(std::move(admitted.error()));
  }
  const std::lock_guard turn(parts.turn);
  if (!options.dry_run) parts.await_turn();
  const std::lock_guard state(parts.state);
  if (auto same = parts.check_generation(options.if_generation); !same) {
    return tl::unexpected(std::move(same.error()));
  }
  auto result = parts.take(admitted->model, options.author,
                           options.dry_run ? Step::Mode::kRehearse : Step::Mode::kTake);
  if (!options.dry_run) parts.last_apply_succeeded = result.has_value();
  if (result) result->warnings = std::move(admitted->warnings);
  return result;
}

Outcome<std::vector<DiffEntry>> Gateway::diff(const nlohmann::json& config) const {
  auto model = parse_config(config);
  if (!model) return tl::unexpected(std::move(model.error()));
  return diff_configurations(configuration(), to_json(*model));
}

Outcome<ApplyResult> Gateway::rollback(uint64_t generation, const std::string& author) {
  const std::lock_guard turn(parts_->turn);
  parts_->await_turn();
  const std::lock_guard state(parts_->state);
  auto model = parts_->history.find(generation);
  if (!model) {
    return refuse(Refusal::Kind::kNotFound, "generation " + std::to_string(generation) + " is not remembered",
                  "config.history lists those that are");
  }
  auto result = parts_->take(std::move(model), author, Step::Mode::kTake);
  parts_->last_apply_succeeded = result.has_value();
  return result;
}

std::vector<HistoryEntry> Gateway::history() {
  parts_->hash_history();
  const std::lock_guard state(parts_->state);
  return parts_->history.entries();
}

void Gateway::Parts::hash_history() {
  const std::lock_guard one_at_a_time(hashing);
  while (true) {
    std::optional<ConfigHistory::Unhashed> next;
    {
      const std::lock_guard lock(state);
      next = history.unhashed();
    }
    if (!next) return;
    std::string sha256 = hash.of(*next->model);
    const std::lock_guard lock(state);
    history.set_hash(next->generation, std::move(sha256));
  }
}

uint64_t Gateway::generation() const {
  return parts_->generation;
}
bool Gateway::last_apply_succeeded() const {
  return parts_->last_apply_succeeded;
}
std::shared_ptr<const Model> Gateway::model() const {
  const std::lock_guard lock(parts_->instant);
  return parts_->model;
}
nlohmann::json Gateway::configuration() const {
  return to_json(*model());
}
void Gateway::resume_by(std::function<void(std::function<void()>)> resume) {
  parts_->resume = std::move(resume);
}
void Gateway::on_change(std::function<void()> listener) {
  parts_->listener = std::move(listener);
}
const IdRegistry& Gateway::ids() const {
  return parts_->ids;
}
dataplane::CheckLanes& Gateway::check_lanes() {
  return parts_->data_plane->checks();
}

const dataplane::DataPlane& Gateway::data_plane() const {
  return *parts_->data_plane;
}

double Gateway::busy_ratio(unsigned worker) const {
  const std::lock_guard lock(parts_->instant);
  return parts_->busy_ratios.of(worker);
}

void Gateway::Parts::watch_workers() {
  std::vector<WorkerCycles> cycles;
  for (const dataplane::WorkerInfo& worker : data_plane->workers()) {
    const dataplane::WorkerStats& stats = data_plane->stats(worker.index);
    cycles.push_back({stats.busy_cycles.read(), stats.idle_cycles.read()});
  }
  for (const auto& worker : data_plane->hash_workers()) {
    cycles.push_back({worker.busy_cycles, worker.idle_cycles});
  }
  busy_ratios.observe(cycles, std::chrono::steady_clock::now());
}

void Gateway::tick() {
  parts_->data_plane->watch_ports();
  {
    const std::lock_guard lock(parts_->instant);
    parts_->data_plane->reclaim();
    parts_->watch_workers();
  }
  parts_->log_notices();
  parts_->questions.poll(*parts_->data_plane);
  if (auto* ledger = parts_->data_plane->ledger()) parts_->ledger_questions.poll(*ledger);
}

void Gateway::maintain() {
  std::vector<std::shared_ptr<const void>> unused;
  {
    const std::lock_guard state(parts_->state);
    parts_->collect_numbers();
    parts_->transition_log.tick(std::chrono::steady_clock::now());
    unused = parts_->take_unused();
  }
  unused.clear();  // with no lock held: it may take a while
  parts_->hash_history();
}

std::vector<std::shared_ptr<const void>> Gateway::Parts::take_unused() {
  const auto first_unused =
      std::partition(kept.begin(), kept.end(), [](const auto& object) { return object.use_count() > 1; });
  std::vector<std::shared_ptr<const void>> unused(std::make_move_iterator(first_unused),
                                                  std::make_move_iterator(kept.end()));
  kept.erase(first_unused, kept.end());
  return unused;
}

void Gateway::Parts::log_notices() {
  const auto now = std::chrono::steady_clock::now();
  std::array<dataplane::Notice, 64> notices;
  for (const dataplane::WorkerInfo& worker : data_plane->workers()) {
    const size_t count = data_plane->notices(worker.index).take(notices);
    for (size_t i = 0; i < count; ++i) notice_log.add(notices[i], ports[notices[i].port].name, now);
  }
  notice_log.tick(now);
}

void Gateway::stop() {
  parts_->is_stopping = true;
  if (parts_->data_plane) parts_->data_plane->stop();
  parts_->questions.give_up();
  parts_->ledger_questions.give_up();
}

}  // namespace sluice::ctrl
