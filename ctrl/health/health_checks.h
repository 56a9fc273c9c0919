// Which backend is checked when: follows the model, paces the probes, and hands over what they change.
// Control loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "ctrl/health/check_runner.h"
#include "ctrl/health/probe.h"
#include "ctrl/health/rise_fall.h"
#include "ctrl/intent/model.h"
#include "ctrl/resolve/effective.h"
#include "ctrl/store/gateway.h"

namespace sluice::ctrl {

class HealthChecks {
 public:
  using Results = std::vector<Gateway::HealthResult>;
  /// Takes what is news since the last call: a first result, another state, another reason. At most one
  /// result for each backend.
  using Sink = std::function<void(const Results&)>;
  using Pools = SharedMap<EffectivePool>;

  /// At most `concurrency` probes are under way; more that are due wait their turn. Ends with the run of
  /// `io`, which it must not outlive. Without `routes` no check goes through a service.
  HealthChecks(boost::asio::io_context& io, Sink sink, size_t concurrency = 256,
               std::shared_ptr<ServiceRoutes> routes = nullptr);
  /// The same by somebody else's time and probes.
  HealthChecks(std::unique_ptr<CheckRunner> runner, Sink sink, size_t concurrency);
  ~HealthChecks();

  /// Checks from now on what these pools ask for. Backends that stay keep their history; pools of which
  /// neither the intent nor the members are other objects than before cost nothing.
  void follow(const Pools& pools);
  void stop();

  size_t checked() const { return targets_.size(); }
  size_t under_way() const { return under_way_; }

  /// What the checks of one pool came to since it was first checked.
  struct Counts {
    uint64_t passed = 0;
    uint64_t failed = 0;
    uint64_t unknown = 0;
  };
  /// By name of the pool; only of pools that are checked.
  const std::map<std::string, Counts>& counts() const { return counts_; }

 private:
  using Clock = CheckRunner::Clock;
  struct Target {
    uint64_t serial;  ///< tells a backend from its namesake that was removed meanwhile
    std::shared_ptr<const PoolModel> pool;
    RiseFall state;
    std::string told = {};  ///< what the sink knows: the reason, and whether it is healthy
    bool told_healthy = true;
  };
  struct Due {
    Clock::time_point time;
    uint64_t serial;
    BackendKey key;
    bool operator>(const Due& other) const { return time > other.time; }
  };
  struct Alive {
    HealthChecks* owner;
  };

  void forget(const EffectivePool& pool, const EffectivePool* successor);
  void adopt(const EffectivePool& pool);
  void launch_due();
  void wait_for_next();
  void launch(const BackendKey& key, uint64_t serial, std::shared_ptr<const PoolModel> pool);
  void finish(const BackendKey& key, uint64_t serial, const HealthCheck& asked, const ProbeResult& result);
  void count(const std::string& pool, Verdict verdict);
  void report(const BackendKey& key, Target& target, bool known, std::string reason);
  void deliver();
  Clock::duration jittered(Clock::duration interval);

  std::unique_ptr<CheckRunner> runner_;
  Sink sink_;
  size_t concurrency_;
  size_t under_way_ = 0;
  uint64_t next_serial_ = 0;
  Pools pools_;
  std::map<BackendKey, Target> targets_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::map<BackendKey, Gateway::HealthResult> changes_;
  std::map<std::string, Counts> counts_;
  std::minstd_rand random_;
  std::shared_ptr<Alive> alive_;  ///< probes that end after us find it empty
};

}  // namespace sluice::ctrl
