#include "sim/world/world.h"

#include <algorithm>
#include <numeric>

#include "sim/world/changes.h"
#include "sim/world/health.h"
#include "sim/world/outages.h"
#include "sim/world/strangers.h"

namespace sluice::sim {
namespace {

constexpr Nanoseconds kHealing = 5 * kSecondNs;  ///< after the last fault, until all must be well
constexpr unsigned kStallChance = 5;             ///< of a thousand milliseconds, for each worker

}  // namespace

World::World(const Scenario& scenario)
    : scenario_(scenario),
      chance_(scenario.seed ^ 0x776f726c64),
      wire_chance_(chance_.branch()),
      turn_chance_(chance_.branch()),
      faults_(scenario.wire),
      now_(scenario.begin),
      pool_changes_(scenario.pools.size()) {
  for (unsigned gateway = 0; gateway < scenario_.gateways; ++gateway) {
    nodes_.push_back(std::make_unique<GatewayNode>(gateway));
  }
  if (scenario_.ledger)
    ledgers_ = std::make_unique<Ledgers>(*this, *scenario_.ledger, Chance(scenario.seed ^ 0x6c6f6773));
  for (const auto& node : nodes_) {
    start_gateway(*node);
    node->is_routed = true;
  }
  for (unsigned pool = 0; pool < scenario_.pools.size(); ++pool) {
    for (unsigned place = 0; place < scenario_.pools[pool].backends.size(); ++place) {
      const auto number = static_cast<uint16_t>(backends_.size());
      backends_.push_back(std::make_unique<BackendHost>(pool, place, Server(number, chance_.next())));
      backends_by_mac_[assumed_mac(scenario_.pools[pool].backends[place].address)] = backends_.back().get();
    }
  }
}

World::~World() {
  for (const auto& node : nodes_) {
    if (!node->gateway) continue;
    node->gateway->on_sent([](unsigned, Frame) {});
    node->gateway->on_wait(nullptr);
  }
}

void World::violate(const std::string& what) {
  trace_.say(now(), "VIOLATION: " + what);
  throw Violation{what};
}

WorldSummary World::run() {
  trace_.say(now(), scenario_.to_string());
  const Nanoseconds busy_until = scenario_.begin + scenario_.busy;
  begin_connections();
  Changes changes(*this, chance_.branch(), busy_until);
  Health health(*this, changes, chance_.branch(), busy_until);
  Strangers strangers(*this, chance_.branch(), busy_until);
  Outages outages(*this, chance_.branch(), busy_until);
  if (ledgers_) {
    ledgers_->trouble_until(busy_until);
    submitters_ = std::make_unique<Submitters>(*this, *ledgers_, *scenario_.ledger,
                                               Chance(scenario_.seed ^ 0x7375626d6974), busy_until);
  }
  live_until(busy_until);
  trace_.say(now(), "the last fault is over");
  faults_ = {};
  scenario_.has_stalls = false;
  if (ledgers_) ledgers_->heal();
  after(0, [&] { when_idle([&] { outages.heal(), changes.heal(); }); });
  live_until(now() + kHealing);
  health.check_all_found();
  check_liveness();
  check_emptiness();
  WorldSummary summary{.lasted = now() - scenario_.begin, .frames = trace_.frames()};
  for (const auto& node : nodes_) {
    node->gateway->stop();
    check_accounts(*node, true);
    if (ledgers_) ledgers_->check_stopped(*node);
    if (node->gateway->buffers_out() > 0) violate(node->name() + " keeps packets that it has done with");
  }
  for (const auto& connection : connections_) {
    using State = Connection::State;
    summary.done += connection->state() == State::kDone;
    summary.aborted += connection->state() == State::kAborted;
    summary.reset += connection->state() == State::kReset;
    summary.gave_up += connection->state() == State::kGaveUp;
  }
  return summary;
}

/// While the control store waits, all else goes on: this is called from within itself then.
void World::live_until(Nanoseconds then) {
  ++depth_;
  while (now() < then) {
    Nanoseconds next = std::min(then, (now() / kMillisecondNs + 1) * kMillisecondNs);
    if (!events_.empty()) next = std::min(next, std::max(events_.next(), now()));
    set_time(next);
    while (!events_.empty() && events_.next() <= now()) events_.take()();
    const bool is_millisecond = next % kMillisecondNs == 0;
    turn_workers(is_millisecond);
    if (is_millisecond) look_around();
  }
  --depth_;
}

void World::set_time(Nanoseconds then) {
  now_ = then;
  for (const auto& node : nodes_) {
    if (node->is_up(now())) node->gateway->set_time(then);
  }
}

/// Who has nothing to do has its turn once a millisecond.
void World::turn_workers(bool is_millisecond) {
  for (const auto& node : nodes_) {
    if (!node->is_up(now()) || (!is_millisecond && !node->gateway->has_waiting())) continue;
    scenario_.has_stalls ? turn_stalling(*node) : node->gateway->settle();
  }
}

void World::turn_stalling(GatewayNode& node) {
  std::vector<unsigned> order(node.gateway->threads());
  std::iota(order.begin(), order.end(), 0u);
  turn_chance_.shuffle(std::span(order));
  for (bool busy = true; busy;) {
    busy = false;
    for (const unsigned worker : order) {
      if (now() < node.stalled_until[worker]) continue;
      if (turn_chance_.happens(kStallChance))
        node.stalled_until[worker] = now() + turn_chance_.below(8 * kMillisecondNs);
      busy |= node.gateway->step(worker);
    }
  }
}

/// Once a millisecond: the control stores' own work, and what must always hold.
void World::look_around() {
  const Nanoseconds millisecond = now() / kMillisecondNs;
  for (const auto& node : nodes_) {
    if (!node->is_up(now())) continue;
    if (!is_waiting_for_store()) node->gateway->tick();
    if (ledgers_) ledgers_->look(*node);
    if (millisecond % 20 != 0) continue;
    check_accounts(*node, false);
    check_bounds(*node);
  }
  if (millisecond % 20 == 0) check_connections();
  if (millisecond % 500 == 0) check_tables();
}

void World::when_idle(std::function<void()> what) {
  if (!is_waiting_for_store()) return what();
  after(kMillisecondNs, [this, what = std::move(what)] { when_idle(what); });
}

}  // namespace sluice::sim
