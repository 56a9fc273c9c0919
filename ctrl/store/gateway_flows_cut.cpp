// What a change of configuration does to flows is known to workers alone: they are asked before it is made.
#include <algorithm>
#include <utility>

#include "ctrl/intent/model_changes.h"
#include "ctrl/store/access_check.h"
#include "ctrl/store/gateway_parts.h"
#include "ctrl/store/gateway_spans.h"
#include "lb/service_rules.h"

namespace sluice::ctrl {
namespace {

using dataplane::CountLossesRequest;
using dataplane::Tables;
using dataplane::WorkerRequest;

}  // namespace

bool Gateway::Parts::may_end_flows(const Tables& next) const {
  const auto has_flows = [](const Totals& counted) { return counted.active_flows > 0; };
  if (tables->services != next.services) {
    for (lb::ServiceId id = 0; id < tables->services->size(); ++id) {
      const lb::Service &now = (*tables->services)[id], &then = (*next.services)[id];
      const bool holds = then.pool != nullptr && then.idle_timeout_ms >= now.idle_timeout_ms;
      if (now.pool != nullptr && !holds && has_flows(count_service(id))) return true;
    }
  }
  for (lb::BackendId id = 0; id < tables->backends->size(); ++id) {
    const bool is_lost = (*tables->backends)[id].keeps_flows && !(*next.backends)[id].keeps_flows;
    if (is_lost && has_flows(count_backend(id))) return true;
  }
  if (next.access_generation != tables->access_generation) {
    for (lb::ServiceId id = 0; id < next.services->size(); ++id) {
      const lb::ServiceRules* const rules = (*next.services)[id].rules;
      if (rules && rules->access && has_flows(count_service(id))) return true;
    }
  }
  // Flows that have not been looked at since the last change still count for what it retired.
  return std::ranges::any_of(ids.retired_services(), [&](auto id) { return has_flows(count_service(id)); }) ||
         std::ranges::any_of(ids.retired_backends(), [&](auto id) { return has_flows(count_backend(id)); });
}

WorkerQuestions::Requests Gateway::Parts::loss_requests(const std::shared_ptr<const Tables>& next) const {
  WorkerQuestions::Requests requests;
  for (size_t i = 0; i < balancers.size(); ++i) {
    requests.push_back(std::make_unique<WorkerRequest>());
    requests.back()->question = CountLossesRequest{next, std::vector<uint32_t>(tables->services->size()), 0};
  }
  return requests;
}

Gateway::Parts::FlowsCut Gateway::Parts::flows_cut(const WorkerQuestions::Requests& answered) const {
  const std::lock_guard lock(state);
  std::map<std::string, uint64_t> cut;
  for (const auto& part : answered) {
    const auto& lost = std::get<CountLossesRequest>(part->question).lost;
    for (lb::ServiceId id = 0; id < lost.size(); ++id) {
      if (lost[id] > 0) cut[ids.last_service_at(id).name] += lost[id];
    }
  }
  return cut;
}

/// What was rehearsed, in earnest: other changes may have come between.
Outcome<ApplyResult> Gateway::Parts::take_rehearsed(const Model& next, const ApplyOptions& options) {
  const std::lock_guard our_turn(turn);
  await_turn();
  const std::lock_guard lock(state);
  if (is_stopping) return refuse(Refusal::Kind::kUnavailable, "nothing was applied: sluiced is stopping");
  if (auto same = check_generation(options.if_generation); !same) return tl::unexpected(same.error());
  Model again = next;  // what it shares with the intent of now may be more, or less
  share_unchanged(*intent, again);
  return take(std::make_shared<const Model>(std::move(again)), options, Step::Mode::kTake);
}

void Gateway::Parts::take_counted(std::shared_ptr<const Model> next, const ApplyOptions& options,
                                  Gateway::ApplyAnswer answer) {
  Outcome<ApplyResult> result;
  WorkerQuestions::Requests requests;
  {
    const std::lock_guard our_turn(turn);
    if (!options.dry_run) await_turn();
    const std::lock_guard lock(state);
    const auto same = check_generation(options.if_generation);
    result =
        same ? take(next, options, options.dry_run ? Step::Mode::kRehearse : Step::Mode::kTakeUnlessFlowsEnd)
             : tl::unexpected(same.error());
    if (result && !result->is_applied && may_end_flows(*result->tables)) {
      requests = loss_requests(std::exchange(result->tables, nullptr));
    }
  }
  if (!result) return answer(std::move(result));
  if (requests.empty()) {
    result->flows_cut.emplace();
    return answer(std::move(result));
  }
  const auto go_on = [this, next = std::move(next), options, answer,
                      rehearsed = std::move(*result)](FlowsCut cut) {
    Outcome<ApplyResult> outcome =
        options.dry_run ? Outcome<ApplyResult>(rehearsed) : take_rehearsed(*next, options);
    if (outcome) outcome->flows_cut = std::move(cut);
    answer(std::move(outcome));
  };
  const auto finish = [this, go_on](WorkerQuestions::Requests* parts) {
    const auto answered = parts ? std::make_shared<WorkerQuestions::Requests>(std::move(*parts)) : nullptr;
    const auto job = [this, go_on, answered] { go_on(answered ? flows_cut(*answered) : std::nullopt); };
    resume ? resume(job) : job();
  };
  if (!questions.ask(std::move(requests), balancers, finish)) go_on(std::nullopt);
}

void Gateway::apply(std::shared_ptr<const Preparation> prepared, const ApplyOptions& asked,
                    ApplyAnswer answer) {
  ApplyOptions options = asked;
  options.span = prepared->span;
  const auto finish = [this, is_dry = options.dry_run, prepared,
                       answer = std::move(answer)](Outcome<ApplyResult> result) {
    if (!is_dry) parts_->last_apply_succeeded = result.has_value();
    parts_->trace_outcome(prepared->span, result);
    if (result) result->warnings = prepared->warnings;
    answer(std::move(result));
  };
  parts_->take_counted(prepared->model, options, finish);
}

void Gateway::apply(const nlohmann::json& config, const ApplyOptions& options, ApplyAnswer answer) {
  auto prepared = prepare(config, options);
  if (!prepared) return answer(tl::unexpected(std::move(prepared.error())));
  apply(std::move(*prepared), options, std::move(answer));
}

Gateway::Prepared Gateway::prepare_rollback(uint64_t generation, const ApplyOptions& options) {
  const auto began = parts_->time->wall();
  const auto refuse_traced = [&](Refusal& refusal) {
    note_read(begin_change(parts_->spans, options, began), parts_->time->wall(), &refusal);
    return tl::unexpected(std::move(refusal));
  };
  auto model = parts_->remembered(generation);
  if (!model) return refuse_traced(model.error());
  auto with_sets = read_sets(std::move(*model));
  if (!with_sets) return refuse_traced(with_sets.error());
  auto inspections = parts_->inspections_for(**with_sets, nullptr);
  if (!inspections) return refuse_traced(inspections.error());
  auto span = begin_change(parts_->spans, options, began);
  note_read(span, parts_->time->wall(), nullptr);
  return std::make_shared<const Preparation>(
      Preparation{std::move(*with_sets), std::move(span), {}, std::move(*inspections)});
}

void Gateway::rollback(uint64_t generation, const std::string& author, ApplyAnswer answer,
                       std::shared_ptr<OpenSpan> span) {
  const ApplyOptions options{.author = author, .span = std::move(span)};
  auto prepared = prepare_rollback(generation, options);
  if (!prepared) return answer(tl::unexpected(std::move(prepared.error())));
  apply(std::move(*prepared), options, std::move(answer));
}

}  // namespace sluice::ctrl
