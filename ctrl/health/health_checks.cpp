#include "ctrl/health/health_checks.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

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

BackendKey key_of(const PoolModel& pool, const BackendModel& backend) {
  return {pool.name, backend.address, backend.port};
}

}  // namespace

HealthChecks::HealthChecks(asio::io_context& io, Sink sink, size_t concurrency,
                           std::shared_ptr<ServiceRoutes> routes)
    : io_(io),
      sink_(std::move(sink)),
      concurrency_(std::max<size_t>(concurrency, 1)),
      next_(io),
      delivery_(io),
      alive_(std::make_shared<Alive>(Alive{this})) {
  means_.routes = std::move(routes);
}

HealthChecks::~HealthChecks() {
  stop();
}

void HealthChecks::stop() {
  alive_->owner = nullptr;
  next_.cancel();
  delivery_.cancel();
  if (means_.routes) means_.routes->stop();
}

void HealthChecks::follow(const Pools& pools) {
  for (const auto& [name, pool] : pools_) {
    const auto now = pools.find(name);
    const PoolModel* successor = now == pools.end() ? nullptr : now->second.get();
    if (successor != pool.get()) forget(*pool, successor);
  }
  const Pools before = std::exchange(pools_, pools);
  for (const auto& [name, pool] : pools_) {
    const auto old = before.find(name);
    if (is_checked(*pool) && (old == before.end() || old->second != pool)) adopt(pool);
  }
  launch_due();
}

/// Drops the backends of `pool` that `successor` does not have, or all if it is not checked any more.
void HealthChecks::forget(const PoolModel& pool, const PoolModel* successor) {
  for (const auto& backend : pool.backends) {
    const auto found = targets_.find(key_of(pool, backend));
    if (found == targets_.end()) continue;
    const bool stays =
        successor != nullptr && std::ranges::any_of(successor->backends, [&](const auto& other) {
          return other.address == backend.address && other.port == backend.port;
        });
    if (stays && is_checked(*successor)) continue;
    targets_.erase(found);
  }
  if (successor == nullptr || !is_checked(*successor)) counts_.erase(pool.name);
}

void HealthChecks::adopt(const std::shared_ptr<const PoolModel>& pool) {
  counts_.try_emplace(pool->name);
  const auto spread = std::min<Clock::duration>(pool->health.interval, kFirstSpread);
  for (const auto& backend : pool->backends) {
    const auto key = key_of(*pool, backend);
    const auto [entry, is_new] = targets_.try_emplace(key, Target{next_serial_, pool, {}});
    entry->second.pool = pool;
    if (!is_new) continue;
    const auto delay = std::uniform_int_distribution<Clock::rep>(0, spread.count())(random_);
    due_.push({Clock::now() + Clock::duration(delay), next_serial_++, key});
  }
}

void HealthChecks::launch_due() {
  while (!due_.empty() && under_way_ < concurrency_ && due_.top().time <= Clock::now()) {
    const Due due = due_.top();
    due_.pop();
    const auto target = targets_.find(due.key);
    if (target == targets_.end() || target->second.serial != due.serial) continue;
    launch(due.key, due.serial, *target->second.pool);
  }
  wait_for_next();
}

void HealthChecks::wait_for_next() {
  if (due_.empty() || under_way_ >= concurrency_) return;  // the end of a probe looks again
  next_.expires_at(due_.top().time);
  next_.async_wait([alive = alive_](boost::system::error_code error) {
    if (!error && alive->owner != nullptr) alive->owner->launch_due();
  });
}

void HealthChecks::launch(const BackendKey& key, uint64_t serial, const PoolModel& pool) {
  ++under_way_;
  asio::co_spawn(io_, probe(pool.health, key, means_),
                 [alive = alive_, key, serial](std::exception_ptr failure, ProbeResult result) {
                   if (alive->owner == nullptr) return;
                   if (failure) result = {Verdict::kUnknown, "the check itself failed"};
                   alive->owner->finish(key, serial, result);
                 });
}

void HealthChecks::finish(const BackendKey& key, uint64_t serial, const ProbeResult& result) {
  --under_way_;
  const auto found = targets_.find(key);
  if (found != targets_.end() && found->second.serial == serial) {
    Target& target = found->second;
    const HealthCheck& check = target.pool->health;
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
    due_.push({Clock::now() + jittered(check.interval), serial, key});
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
    delivery_.expires_after(kGathering);
    delivery_.async_wait([alive = alive_](boost::system::error_code error) {
      if (!error && alive->owner != nullptr) alive->owner->deliver();
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
