#include "ctrl/store/gateway.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ctrl/intent/memory_needs.h"
#include "ctrl/resolve/compile_ledger.h"
#include "ctrl/resolve/panic.h"
#include "ctrl/store/gateway_parts.h"
#include "ctrl/store/gateway_spans.h"
#include "ctrl/store/gateway_tunnels.h"
#include "ctrl/store/inspection_compiler.h"

namespace sluice::ctrl {

Gateway::Gateway() : parts_(std::make_unique<Parts>()) {}

Gateway::~Gateway() {
  stop();
}

Result<std::unique_ptr<Gateway>> Gateway::start(
    Model model, std::string author, SipKey kept_hash_key, const std::string& history_directory,
    TimeSource* time, std::optional<std::chrono::system_clock::time_point> reading_began) {
  if (auto enough = check_memory(memory_needs(model), available_memory()); !enough) {
    return tl::unexpected(enough.error());
  }
  std::unique_ptr<Gateway> gateway(new Gateway());
  Parts& parts = *gateway->parts_;
  parts.kept_hash_key = kept_hash_key;
  if (time != nullptr) parts.time = time;
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
  parts.inspection_compiler =
      std::make_shared<InspectionCompiler>(static_cast<unsigned>(parts.balancers.size()));
  parts.intent = parts.model = std::make_shared<const Model>(std::move(model));
  parts.spans.turn(parts.model->tracing.has_value());
  const auto compile_began = parts.time->wall();
  auto span = begin_change(parts.spans, {.author = author}, reading_began.value_or(compile_began));
  note_read(span, compile_began, nullptr);
  const Model nothing;
  auto prepared = parts.members.prepare(nothing, *parts.model);
  parts.statuses.follow({nothing, {}}, {*parts.model, prepared.lists}, parts.time->wall());
  parts.follow_members(nothing, parts.model, std::move(prepared), parts.time->now());
  parts.commit_statuses();
  parts.generation = parts.open_history(history_directory);
  // Where time is simulated, no other thread compiles.
  auto inspections =
      time != nullptr ? parts.inspections_for(*parts.model, nullptr) : parts.first_inspections(*parts.model);
  if (!inspections) {
    const auto& faults = inspections.error().faults;
    return fail(faults.empty() ? inspections.error().message : faults.front().message);
  }
  parts.effective = std::make_shared<const Effective>(
      resolve(parts.model,
              {parts.members.lists(), parts.statuses.all(), parts.contents_for(*parts.model), *inspections},
              {}, nullptr));
  std::shared_ptr<TunnelStates> tunnel_states;
  const auto workers = static_cast<unsigned>(parts.data_plane->workers().size());
  auto tunnels = plan_tunnels(tunnel_states, *parts.model, workers, false);
  if (!tunnels) {
    const auto& faults = tunnels.error().faults;
    return fail(tunnels.error().message, faults.empty() ? "" : faults.front().pointer);
  }
  auto compiled = compile({.effective = *parts.effective,
                           .ports = parts.ports,
                           .generation = 1,
                           .kept_hash_key = kept_hash_key,
                           .balancers = static_cast<unsigned>(parts.balancers.size()),
                           .configuration = parts.generation,
                           .tunnels = associations_of(tunnel_states, *tunnels),
                           .flow_reading = parts.flow_reading_for(*parts.model)},
                          parts.ids);
  if (!compiled) return fail(compiled.error().message);
  parts.ids.commit();
  if (*tunnels) {
    tunnel_states->commit(**tunnels);
    look_at_tunnels(*tunnel_states, *parts.model, parts.time->wall(), parts.events);
  }
  parts.tunnel_states = std::move(tunnel_states);
  parts.tables = compiled->tables;
  const auto compiled_at = parts.time->wall();
  if (auto started = parts.data_plane->start(parts.tables); !started) return tl::unexpected(started.error());
  if (span) span->set("sluice.generation", static_cast<int64_t>(parts.generation));
  parts.change_spans.add({std::move(span), compile_began, compiled_at, parts.time->wall(),
                          parts.data_plane->publication(), workers, parts.tables->generation});
  parts.sample_transactions(*parts.model);
  parts.follow_sets();
  parts.follow_inspections();
  parts.publish_service_numbers();
  parts.publish_rows({});
  parts.kept = {parts.model, parts.effective, parts.tables};
  if (!parts.history.contains(parts.generation)) {
    parts.history.add({parts.generation, parts.time->wall(), std::move(author), "", compiled->changed},
                      without_set_contents(parts.intent));
  }
  return gateway;
}

Outcome<ApplyResult> Gateway::Parts::take(const Step& step) {
  const bool is_new_intent = step.intent != nullptr && step.intent != intent;
  const auto compile_began = time->wall();
  auto next = std::make_shared<const Effective>(
      resolve(step.model, {step.members, statuses.all(), step.sets, step.inspections}, step.touched_pools,
              effective.get()));
  auto compiled = compile({.effective = *next,
                           .ports = ports,
                           .generation = tables->generation + 1,
                           .before = effective.get(),
                           .previous = tables.get(),
                           .flushed = step.flushed,
                           .kept_hash_key = kept_hash_key,
                           .balancers = static_cast<unsigned>(balancers.size()),
                           .configuration = generation + (is_new_intent ? 1 : 0),
                           .tunnels = associations_of(tunnel_states, step.tunnels),
                           .tunnels_before = associations_of(tunnel_states, nullptr),
                           .flow_reading = flow_reading_for(*step.model)},
                          ids);
  const auto compiled_at = time->wall();
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
    note_rehearsed(step, compile_began, compiled_at, compiled ? nullptr : &compiled.error());
    if (!compiled) return tl::unexpected(compiled.error());
    return result(false);
  }
  retire(ids.commit());
  if (step.tunnels) tunnel_states->commit(*step.tunnels);
  if (is_new_intent) {
    ++generation;
    kept.push_back(step.intent);
    const std::lock_guard lock(instant);
    intent = step.intent;
  }
  log_panics(*effective, *next);
  const uint64_t publication = publish(std::move(next), compiled->tables);
  follow_sets();
  follow_inspections();
  const auto published_at = time->wall();
  for (const Cause& cause : step.causes) {
    change_spans.add({cause.span, compile_began, compiled_at, published_at, publication,
                      static_cast<unsigned>(data_plane->workers().size()), tables->generation});
  }
  changes.add({step.causes, compiled_at, published_at, std::move(compiled->added)},
              [this](lb::BackendId id) { return flows_begun(id); });
  commit_statuses(step.flushed);
  if (step.tunnels) look_at_tunnels(*tunnel_states, *model, time->wall(), events);
  if (listener) listener();
  return result(true);
}

void Gateway::Parts::retire(const IdRegistry::Retired& retired) {
  for (const lb::BackendId id : retired.backends) departed.add(ids.retired_backend(id));
  const std::lock_guard lock(counting);
  for (const lb::ServiceId id : retired.services) service_totals.retire(ids.retired_service(id).name, id);
  for (const lb::BackendId id : retired.backends) backend_totals.retire(ids.retired_backend(id), id);
}

Step Gateway::Parts::step_now() const {
  return {.intent = {},
          .model = model,
          .members = effective->members,
          .sets = effective->sets,
          .inspections = effective->inspections};
}

uint64_t Gateway::Parts::publish(std::shared_ptr<const Effective> next,
                                 std::shared_ptr<const dataplane::Tables> new_tables) {
  std::shared_ptr<const Model> new_model = next->intent;
  if (new_model != model) kept.push_back(new_model);
  kept.push_back(next);
  kept.push_back(new_tables);
  const std::lock_guard lock(instant);
  model.swap(new_model);
  effective.swap(next);
  tables.swap(new_tables);
  data_plane->publish(tables);
  spans.turn(model->tracing.has_value());
  sample_transactions(*model);
  last_published = time->steady();
  return data_plane->publication();
}

bool Gateway::Parts::is_settled() const {
  const std::lock_guard lock(instant);
  return data_plane->settled();
}

void Gateway::Parts::await_turn() {
  constexpr std::chrono::microseconds kLook{200};
  constexpr std::chrono::milliseconds kWorkerPatience{100};  // a stuck worker must not end all changes
  time->sleep_until(last_published + kBetweenPublications);
  const auto deadline = last_published + kWorkerPatience;
  while (!is_settled() && time->steady() < deadline) {
    settle_change_spans();
    time->sleep_until(time->steady() + kLook);
  }
  settle_change_spans();
  if (is_settled()) changes.settle(time->wall());
}

uint64_t Gateway::generation() const {
  return parts_->generation;
}
bool Gateway::last_apply_succeeded() const {
  return parts_->last_apply_succeeded;
}
std::shared_ptr<const Model> Gateway::intent() const {
  const std::lock_guard lock(parts_->instant);
  return parts_->intent;
}
std::shared_ptr<const Model> Gateway::model() const {
  const std::lock_guard lock(parts_->instant);
  return parts_->model;
}
std::shared_ptr<const Effective> Gateway::effective() const {
  const std::lock_guard lock(parts_->instant);
  return parts_->effective;
}
std::vector<Change> Gateway::changes(size_t limit, std::optional<ChangeCause> cause) const {
  return parts_->changes.list(limit, cause);
}
const ChangeLog& Gateway::change_log() const {
  return parts_->changes;
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
  busy_ratios.observe(cycles, time->steady());
}

void Gateway::tick() {
  parts_->data_plane->watch_ports(parts_->time->steady());
  bool is_settled = false;
  {
    const std::lock_guard lock(parts_->instant);
    parts_->data_plane->reclaim();
    parts_->watch_workers();
    is_settled = parts_->data_plane->settled();
  }
  const auto now = parts_->time->wall();
  if (is_settled) parts_->changes.settle(now);
  parts_->settle_change_spans();
  parts_->trace_transactions();
  parts_->changes.watch_flows(now, [this](lb::BackendId id) { return parts_->flows_begun(id); });
  parts_->log_notices();
  parts_->tell_links();
  parts_->events.tick(std::chrono::steady_clock::now());
  parts_->questions.poll(*parts_->data_plane);
  if (auto* ledger = parts_->data_plane->ledger()) parts_->ledger_questions.poll(*ledger);
}

void Gateway::maintain() {
  std::vector<std::shared_ptr<const void>> unused;
  {
    const std::lock_guard state(parts_->state);
    parts_->collect_numbers();
    parts_->transition_log.tick(parts_->time->steady());
    unused = parts_->take_unused();
  }
  answer_quiet();
  unused.clear();  // with no lock held: it may take a while
  parts_->inspection_compiler->tidy();
  parts_->take_back_unconfirmed();
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
  const auto now = time->steady();
  std::array<dataplane::Notice, 64> notices;
  for (const dataplane::WorkerInfo& worker : data_plane->workers()) {
    const size_t count = data_plane->notices(worker.index).take(notices);
    for (size_t i = 0; i < count; ++i) notice_log.add(notices[i], ports[notices[i].port].name, now);
  }
  notice_log.tick(now);
}

void Gateway::stop() {
  const bool is_first = !parts_->is_stopping.exchange(true);
  if (parts_->data_plane) parts_->data_plane->stop();
  parts_->change_spans.give_up();
  if (is_first && parts_->data_plane) {
    const std::lock_guard state(parts_->state);
    parts_->trace_last_states();
  }
  parts_->give_up_quiet();
  parts_->questions.give_up();
  parts_->ledger_questions.give_up();
}

}  // namespace sluice::ctrl
