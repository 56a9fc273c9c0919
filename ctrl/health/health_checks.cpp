#include "ctrl/health/health_checks.h"

#include <algorithm>

#include "ctrl/intent/model_changes.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;

/// Results that arrive within this time of each other make one change of the tables.
constexpr std::chrono::milliseconds kGathering{10};
/// The first checks of what is new are spread over at most this.
constexpr std::chrono::milliseconds kFirstSpread{500};

bool is_checked(const PoolModel& pool) {
  return pool.health.type != HealthType::kNone;
}

BackendKey key_of(const EffectivePool& pool, const Member& member) {
  return {pool.intent->name, member.at.address, member.at.port};
}

bool asks_the_same(const EffectivePool& a, const EffectivePool& b) {
  return a.intent == b.intent && a.members == b.members;
}

}  // namespace

HealthChecks::HealthChecks(asio::io_context& io, Sink sink, size_t concurrency,
                           std::shared_ptr<ServiceRoutes> routes)
    : HealthChecks(run_checks_by(io, std::move(routes)), std::move(sink), concurrency) {}

HealthChecks::HealthChecks(std::unique_ptr<CheckRunner> runner, Sink sink, size_t concurrency)
    : runner_(std::move(runner)),
      sink_(std::move(sink)),
      concurrency_(std::max<size_t>(concurrency, 1)),
      random_(runner_->seed()),
      alive_(std::make_shared<Alive>(Alive{this})) {}

HealthChecks::~HealthChecks() {
  stop();
}

void HealthChecks::stop() {
  alive_->owner = nullptr;
  runner_->stop();
}

void HealthChecks::follow(const Pools& pools) {
  for_each_difference(pools_, pools,
                      [this](const std::string&, const EffectivePool* before, const EffectivePool* now) {
                        if (before && now && asks_the_same(*before, *now)) return;
                        if (before) forget(*before, now);
                        if (now && is_checked(*now->intent)) adopt(*now);
                      });
  pools_ = pools;
  launch_due();
}

/// Drops the backends of `pool` that `successor` does not have, or all if it is not checked any more.
void HealthChecks::forget(const EffectivePool& pool, const EffectivePool* successor) {
  const bool goes_on = successor != nullptr && is_checked(*successor->intent);
  std::vector<HostPort> kept;
  for (size_t i = 0; goes_on && i < successor->members->members.size(); ++i) {
    kept.push_back(successor->members->members[i].at);
  }
  std::ranges::sort(kept);
  for (const Member& member : pool.members->members) {
    if (!std::ranges::binary_search(kept, member.at)) targets_.erase(key_of(pool, member));
  }
  if (!goes_on) counts_.erase(pool.intent->name);
}

void HealthChecks::adopt(const EffectivePool& pool) {
  const PoolModel& intent = *pool.intent;
  counts_.try_emplace(intent.name);
  const auto spread = std::min<Clock::duration>(intent.health.interval, kFirstSpread);
  for (size_t i = 0; i < pool.members->members.size(); ++i) {
    const auto key = key_of(pool, pool.members->members[i]);
    const auto [entry, is_new] = targets_.try_emplace(key, Target{next_serial_, pool.intent, {}});
    entry->second.pool = pool.intent;
    if (!is_new) {
      // Taken out and listed anew before this could see it: what was found is forgotten there, and news
      // again.
      const bool counts_as_active =
          i < pool.backends.size() && pool.backends[i].state == lb::BackendState::kActive;
      if (counts_as_active && !entry->second.told_healthy) entry->second.told.clear();
      continue;
    }
    const auto delay = std::uniform_int_distribution<Clock::rep>(0, spread.count())(random_);
    due_.push({runner_->now() + Clock::duration(delay), next_serial_++, key});
  }
}

void HealthChecks::launch_due() {
  while (!due_.empty() && under_way_ < concurrency_ && due_.top().time <= runner_->now()) {
    const Due due = due_.top();
    due_.pop();
    const auto target = targets_.find(due.key);
    if (target == targets_.end() || target->second.serial != due.serial) continue;
    launch(due.key, due.serial, target->second.pool);
  }
  wait_for_next();
}

void HealthChecks::wait_for_next() {
  if (due_.empty() || under_way_ >= concurrency_) return;  // the end of a probe looks again
  runner_->set_alarm(CheckRunner::Alarm::kNextCheck, due_.top().time, [alive = alive_] {
    if (alive->owner != nullptr) alive->owner->launch_due();
  });
}

void HealthChecks::launch(const BackendKey& key, uint64_t serial, std::shared_ptr<const PoolModel> pool) {
  ++under_way_;
  runner_->start(pool->health, key, [alive = alive_, key, serial, pool](const ProbeResult& result) {
    if (alive->owner != nullptr) alive->owner->finish(key, serial, pool->health, result);
  });
}

void HealthChecks::finish(const BackendKey& key, uint64_t serial, const HealthCheck& asked,
                          const ProbeResult& result) {
  --under_way_;
  const auto found = targets_.find(key);
  if (found != targets_.end() && found->second.serial == serial) {
    Target& target = found->second;
    const HealthCheck& check = target.pool->health;
    if (asked != check) {  // it answers what nobody asks any more
      due_.push({runner_->now(), serial, key});
      return launch_due();
    }
    count(key.pool, result.verdict);
    if (result.verdict == Verdict::kUnknown) {  // says nothing of the backend: it stays what it is
      report(key, target, false, "unknown: " + result.reason);
    } else {
      const bool passed = result.verdict == Verdict::kPassed;
      target.state.observe(passed, std::max(check.rise, 1u), std::max(check.fall, 1u));
      std::string reason = result.reason;
      if (const unsigned against = target.state.against(); against != 0) {
        reason += ", " + std::to_string(against) + " of " + std::to_string(passed ? check.rise : check.fall);
      }
      report(key, target, true, std::move(reason));
    }
    due_.push({runner_->now() + jittered(check.interval), serial, key});
  }
  launch_due();
}

void HealthChecks::count(const std::string& pool, Verdict verdict) {
  Counts& counts = counts_[pool];
  switch (verdict) {
    case Verdict::kPassed:
      ++counts.passed;
      break;
    case Verdict::kFailed:
      ++counts.failed;
      break;
    case Verdict::kUnknown:
      ++counts.unknown;
      break;
  }
}

/// Hands the result on, with others that come soon, if it is news.
void HealthChecks::report(const BackendKey& key, Target& target, bool known, std::string reason) {
  const bool healthy = target.state.healthy();
  if (reason == target.told && healthy == target.told_healthy) return;
  target.told = reason;
  target.told_healthy = healthy;
  if (changes_.empty()) {
    runner_->set_alarm(CheckRunner::Alarm::kDelivery, runner_->now() + kGathering, [alive = alive_] {
      if (alive->owner != nullptr) alive->owner->deliver();
    });
  }
  changes_.insert_or_assign(key, Gateway::HealthResult{key, healthy, std::move(reason), known});
}

void HealthChecks::deliver() {
  Results results;
  for (auto& [key, change] : std::exchange(changes_, {})) results.push_back(std::move(change));
  sink_(results);
}

HealthChecks::Clock::duration HealthChecks::jittered(Clock::duration interval) {
  const double factor = std::uniform_real_distribution<double>(0.9, 1.1)(random_);
  return std::chrono::duration_cast<Clock::duration>(interval * factor);
}

}  // namespace sluice::ctrl
