#include "ctrl/daemon/health_runner.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/intent/model_changes.h"
#include "ctrl/resolve/effective.h"

namespace sluice::ctrl {
namespace {

/// So many backends are taken up in one step, some milliseconds of it.
constexpr size_t kFollowedAtOnce = 2000;

/// A check needs one descriptor; the rest is for devices, connections and files.
size_t health_concurrency(size_t descriptors) {
  return std::clamp<size_t>(descriptors / 4, 1, 2048);
}

}  // namespace

bool PendingResults::add(const HealthChecks::Results& results) {
  const std::lock_guard lock(mutex_);
  const bool is_first = results_.empty();
  results_.insert(results_.end(), results.begin(), results.end());
  return is_first;
}

HealthChecks::Results PendingResults::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(results_, {});
}

HealthRunner::HealthRunner(boost::asio::io_context& io, Gateway& gateway, ControlThreads& threads,
                           size_t descriptors)
    : io_(io),
      gateway_(gateway),
      threads_(threads),
      checks_(
          io, [this](const HealthChecks::Results& results) { observe(results); },
          health_concurrency(descriptors), std::make_shared<ServiceRoutes>(io, gateway)) {}

void HealthRunner::follow() {
  if (is_following_ || gateway_.effective() == followed_state_) return;
  is_following_ = true;
  follow_some();
}

/// Lets the health checks follow the next pools that differ from those that they have, and comes again until
/// none does.
void HealthRunner::follow_some() {
  const auto state = gateway_.effective();
  std::vector<std::string> changed;
  size_t backends = 0;
  bool is_all = true;
  for_each_difference(followed_, state->pools,
                      [&](const std::string& name, const EffectivePool* before, const EffectivePool* after) {
                        if (backends >= kFollowedAtOnce) return void(is_all = false);
                        backends += (before ? before->backends.size() : 0);
                        backends += (after ? after->backends.size() : 0);
                        changed.push_back(name);
                      });
  for (const std::string& name : changed) {
    const auto now = state->pools.find(name);
    now == state->pools.end() ? followed_.erase(name) : followed_.set(name, now->second);
  }
  if (!changed.empty()) checks_.follow(followed_);
  is_following_ = !is_all;
  if (is_all) {
    followed_ = state->pools;  // the very blocks, so that the next walk passes over what they share
    followed_state_ = state;
  } else {
    boost::asio::post(io_, [this] {
      if (!is_stopped_) follow_some();
    });
  }
}

void HealthRunner::observe(const HealthChecks::Results& results) {
  if (!results_.add(results)) return;
  threads_.observe([this] { gateway_.set_health(results_.take()); });
}

void HealthRunner::stop() {
  is_stopped_ = true;
  checks_.stop();
}

}  // namespace sluice::ctrl
