// What sources say, and what becomes of it.

#include <algorithm>
#include <set>
#include <utility>

#include "ctrl/log/log_line.h"
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {
namespace {

std::string object_of(const std::set<std::string>& pools, const Model& model) {
  if (pools.size() == 1) return "pool/" + *pools.begin();
  const auto pool = model.pools.find(*pools.begin());
  const bool has_source = pool != model.pools.end() && pool->second->discover;
  return has_source ? "source/" + pool->second->discover->source : "pool/*";
}

/// Of what sources have said of those pools, which is read by `now`.
void trace_words(OpenSpan& span, const std::set<std::string>& pools, const Model& model, Span::Time now) {
  if (pools.size() == 1) span.set("sluice.pool", *pools.begin());
  const auto pool = model.pools.find(*pools.begin());
  const bool has_source = pool != model.pools.end() && pool->second->discover;
  if (has_source) span.set("sluice.source", pool->second->discover->source);
  span.set("sluice.pools", static_cast<int64_t>(pools.size()));
  span.add_step("config.read", span.start(), now);
}

}  // namespace

void Gateway::observe(std::vector<SourceWord> words) {
  Parts& parts = *parts_;
  if (words.empty()) return;
  const auto seen =
      std::ranges::min_element(words, {}, [](const auto& word) { return word.seen.wall; })->seen;
  const std::lock_guard turn(parts.turn);
  parts.await_turn();
  const std::lock_guard lock(parts.state);
  const Moment now = parts.time->now();
  std::set<std::string> differ;
  {
    const std::lock_guard witnessing(parts.witnessing);
    for (SourceWord& word : words) {
      std::string pool = word.pool;
      const bool is_of_pool = word.services_of.empty();
      if (parts.members.take(std::move(word), *parts.model, now) && is_of_pool) {
        differ.insert(std::move(pool));
      }
    }
  }
  parts.tell_sources();
  parts.publish_observed(differ, seen.wall);
}

Outcome<std::vector<std::string>> Gateway::release_source(const std::string& source,
                                                          const std::optional<std::string>& pool) {
  Parts& parts = *parts_;
  const Moment now = parts.time->now();
  const std::lock_guard turn(parts.turn);
  parts.await_turn();
  const std::lock_guard lock(parts.state);
  if (std::ranges::find(parts.model->sources, source, &SourceModel::name) == parts.model->sources.end()) {
    return refuse(Refusal::Kind::kNotFound, "there is no source named \"" + source + "\"");
  }
  const PoolModel* const named = pool ? parts.pool(*pool) : nullptr;
  if (pool && (!named || !named->discover || named->discover->source != source)) {
    return refuse(Refusal::Kind::kNotFound,
                  "there is no pool named \"" + *pool + "\" that discovers by source \"" + source + "\"");
  }
  std::vector<std::string> released;
  {
    const std::lock_guard witnessing(parts.witnessing);
    released = parts.members.release(source, pool, *parts.model, now);
  }
  parts.tell_sources();
  parts.publish_observed({released.begin(), released.end()}, now.wall);
  return released;
}

void Gateway::mind_sources() {
  Parts& parts = *parts_;
  const Moment now = parts.time->now();
  const std::lock_guard turn(parts.turn);
  parts.await_turn();
  const std::lock_guard lock(parts.state);
  std::set<std::string> differ;
  {
    const std::lock_guard witnessing(parts.witnessing);
    const auto expired = parts.members.expire(*parts.model, now);
    differ.insert(expired.begin(), expired.end());
  }
  parts.tell_sources();
  for (const std::string& name : parts.members.draining()) {
    const auto pool = parts.effective->pools.find(name);
    if (pool == parts.effective->pools.end()) continue;
    const std::vector<HostPort> ended = parts.ended_members(*pool->second);
    if (ended.empty()) continue;
    {
      const std::lock_guard witnessing(parts.witnessing);
      parts.members.forget(name, ended, *parts.model);
    }
    differ.insert(name);
  }
  parts.publish_observed(differ, now.wall);
}

OfferedModel Gateway::Parts::with_offered_services(const std::shared_ptr<const Model>& of) const {
  static const OfferedServices kNone;
  // What another source has told is none of this intent's.
  const bool is_same_source = intent && intent->services_from == of->services_from;
  return with_offered(of, is_same_source ? members.offered() : kNone,
                      {.model = model.get(),
                       .answered = members.answered(),
                       .has_flows = [this](const auto& pool) { return has_flows(pool); }});
}

bool Gateway::Parts::has_flows(const std::string& pool) const {
  if (!is_settled()) return true;  // a worker with older tables may yet begin one
  const auto known = effective->pools.find(pool);
  return known != effective->pools.end() &&
         std::ranges::any_of(known->second->members->members, [&](const Member& member) {
           return totals_of({pool, member.at.address, member.at.port}).active_flows > 0;
         });
}

void Gateway::Parts::publish_observed(const std::set<std::string>& pools,
                                      std::chrono::system_clock::time_point seen) {
  if (intent->services_from.empty()) return publish_members(pools, seen);
  OfferedModel next = with_offered_services(intent);
  {
    const std::lock_guard lock(witnessing);
    members.note_left_out(next.left_out, time->now());
  }
  if (next.model->services == model->services && next.model->pools == model->pools) {
    return publish_members(pools, seen);
  }
  Members::Prepared prepared = members.prepare(*model, *next.model);
  statuses.follow({*model, effective->members}, {*next.model, prepared.lists}, time->wall());
  Step step = step_now();
  step.model = next.model;
  step.members = prepared.lists;
  const auto span = spans.open("source.update", seen);
  if (span && !pools.empty()) trace_words(*span, pools, *model, time->wall());
  step.causes = {{ChangeCause::kSource, "source/" + intent->services_from, seen, span}};
  const auto before = model;
  if (const auto taken = take(step); !taken) {  // what counts stays, and the next word tries again
    if (span) span->fail(taken.error().message);
    return log_error({"the services that a source brings cannot be taken: ", taken.error().message});
  }
  follow_members(*before, model, std::move(prepared), time->now());
}

void Gateway::Parts::follow_members(const Model& before, std::shared_ptr<const Model> next,
                                    Members::Prepared prepared, Moment now) {
  const std::lock_guard lock(witnessing);
  members.follow(before, *next, std::move(prepared), now);
  members_of = std::move(next);
}

void Gateway::Parts::publish_members(const std::set<std::string>& pools,
                                     std::chrono::system_clock::time_point seen) {
  if (pools.empty() || members.lists() == effective->members) return;
  statuses.follow({*model, effective->members}, {*model, members.lists()}, time->wall());
  Step step = step_now();
  step.members = members.lists();
  const auto span = spans.open("source.update", seen);
  if (span) trace_words(*span, pools, *model, time->wall());
  step.causes = {{ChangeCause::kSource, object_of(pools, *model), seen, span}};
  if (const auto taken = take(step); !taken) {  // what counts stays, and the next word tries again
    log_error({"what sources say cannot be taken: ", taken.error().message});
    if (span) span->fail(taken.error().message);
  }
}

std::vector<HostPort> Gateway::Parts::ended_members(const EffectivePool& pool) const {
  std::vector<HostPort> ended;
  if (!is_settled()) return ended;  // a worker with older tables may yet begin a flow
  for (const Member& member : pool.members->members) {
    if (member.offer != Offer::kWithdrawn) continue;
    if (totals_of({pool.intent->name, member.at.address, member.at.port}).active_flows == 0) {
      ended.push_back(member.at);
    }
  }
  return ended;
}

std::vector<SourceRow> Gateway::sources() const {
  const std::lock_guard lock(parts_->witnessing);
  return parts_->members.rows(*parts_->members_of);
}

std::vector<std::string> Gateway::unanswered_sources() const {
  const std::lock_guard lock(parts_->witnessing);
  return parts_->members.unanswered(*parts_->members_of);
}

}  // namespace sluice::ctrl
