#include "sim/world/health.h"

#include <algorithm>
#include <array>
#include <string>

namespace sluice::sim {
namespace {

constexpr Nanoseconds kBetweenLooks = 20 * kMillisecondNs;
/// A backend that has answered for so long is not found down: longer than one check takes.
constexpr Nanoseconds kBeyondDoubt = kSecondNs;
/// Two checks and their timeouts, and somewhat more for those that wait for their turn, and for changes.
constexpr Nanoseconds kUntilFoundDown = 2500 * kMillisecondNs;

}  // namespace

class Health::Runner final : public ctrl::CheckRunner {
 public:
  explicit Runner(Health& health) : health_(health) {}

  Clock::time_point now() const override {
    return Clock::time_point(std::chrono::nanoseconds(health_.world_.now()));
  }

  void set_alarm(Alarm alarm, Clock::time_point then, std::function<void()> ring) override {
    const uint64_t turn = ++turns_[static_cast<size_t>(alarm)];
    const auto when = static_cast<Nanoseconds>(then.time_since_epoch().count());
    health_.world_.after(when > health_.world_.now() ? when - health_.world_.now() : 0,
                         [this, alarm, turn, ring = std::move(ring)] {
                           if (turns_[static_cast<size_t>(alarm)] == turn) ring();
                         });
  }

  void start(const ctrl::HealthCheck& check, const ctrl::BackendKey& backend, Done done) override {
    if (++under_way_ > kMostAtOnce) health_.world_.violate("too many checks are under way");
    const auto timeout = static_cast<Nanoseconds>(std::chrono::nanoseconds(check.timeout).count());
    const BackendHost* const host = health_.host_of(backend);
    const bool answers = host != nullptr && host->is_alive;
    const bool has_means = health_.has_means_;
    const Nanoseconds took = answers || !has_means ? health_.chance_.below(5 * kMillisecondNs) : timeout;
    health_.world_.after(took, [this, answers, has_means, done = std::move(done)] {
      --under_way_;
      if (!has_means) return done({ctrl::Verdict::kUnknown, "too many open files"});
      done(answers ? ctrl::ProbeResult{ctrl::Verdict::kPassed, "connected"}
                   : ctrl::ProbeResult{ctrl::Verdict::kFailed, "no answer"});
    });
  }

  void stop() override {
    for (uint64_t& turn : turns_) ++turn;
  }
  uint32_t seed() override { return static_cast<uint32_t>(health_.chance_.next()); }

 private:
  Health& health_;
  std::array<uint64_t, 2> turns_{};
  size_t under_way_ = 0;
};

Health::Health(World& world, Changes& changes, Chance chance, Nanoseconds until)
    : world_(world),
      changes_(changes),
      chance_(chance),
      until_(until),
      checks_(
          std::make_unique<Runner>(*this), [this](const auto& results) { hear(results); }, kMostAtOnce) {
  follow_later();
  if (world_.scenario_.has_deaths) fail_later();
}

Health::~Health() = default;

/// As it follows every publication of a gateway: of the first that is there.
void Health::follow_later() {
  world_.after(kBetweenLooks, [this] {
    for (const auto& node : world_.nodes_) {
      if (!node->gateway || !node->is_routed) continue;
      if (world_.is_waiting_for_store()) break;
      const auto effective = node->gateway->gateway().effective();
      if (effective != followed_) checks_.follow(effective->pools);
      followed_ = effective;
      break;
    }
    check_found();
    follow_later();
  });
}

void Health::fail_later() {
  world_.after(chance_.below(4 * kSecondNs), [this] {
    if (world_.now() >= until_) return;
    world_.trace_.say(world_.now(), "checks cannot be made");
    has_means_ = false;
    world_.after(chance_.between(300, 2000) * kMillisecondNs, [this] {
      has_means_ = true;
      means_since_ = world_.now();
      fail_later();
    });
  });
}

BackendHost* Health::host_of(const ctrl::BackendKey& key) const {
  return world_.backend_at(assumed_mac(key.address));
}

void Health::hear(const ctrl::HealthChecks::Results& results) {
  for (const ctrl::Gateway::HealthResult& result : results) hear(result);
}

void Health::hear(const ctrl::Gateway::HealthResult& result) {
  BackendHost* const host = host_of(result.key);
  if (host == nullptr) world_.violate("somebody is checked who is no backend");
  const bool is_new = result.known && !result.healthy && !host->is_found_down;
  // Of a backend that is listed anew is told again what was found, until it can be found otherwise.
  const bool is_told_again = host->is_said_down;
  const Nanoseconds found_since =
      is_told_again ? std::max(host->alive_since, means_since_) : host->alive_since;
  const bool is_beyond_doubt = (has_means_ || !is_told_again) && world_.now() > found_since + kBeyondDoubt;
  if (is_new && host->is_alive && is_beyond_doubt)
    world_.violate(result.key.address.to_string() + " is found down though it answers");
  if (result.known) host->is_said_down = !result.healthy;
  world_.when_idle([this, host, healthy = result.healthy, heard = world_.now()] {
    if (host->listed_since <= heard) changes_.set_health(*host, healthy);
  });
}

/// Who does not answer for so long is found.
void Health::check_found() const {
  for (const auto& host : world_.backends_) {
    const Nanoseconds since = std::max(host->dead_since, host->listed_since);
    const bool is_due = !host->is_alive && world_.plan_of(*host).is_listed && !host->is_found_down &&
                        world_.now() > std::max(since, means_since_) + kUntilFoundDown;
    if (is_due && has_means_ && !world_.is_waiting_for_store())
      world_.violate(world_.key_of(*host).address.to_string() + " is not found down");
  }
}

void Health::check_all_found() const {
  for (const auto& host : world_.backends_) {
    if (world_.plan_of(*host).is_listed && host->is_found_down)
      world_.violate(world_.key_of(*host).address.to_string() + " is not found again");
  }
}

}  // namespace sluice::sim
