// The gateways of a simulated world, and the router in front of them.
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "ctrl/intent/config_schema.h"
#include "ctrl/observed/source_word.h"
#include "lb/pool_table.h"
#include "sim/world/world.h"

namespace sluice::sim {
namespace {

/// Each numbers its backends by itself: what counts is which of them is where.
bool are_equal(const lb::PoolTable& one, const lb::PoolTable& other) {
  const auto a = one.candidates(), b = other.candidates();
  if (a.size() != b.size() || one.slots().size() != other.slots().size()) return false;
  std::map<lb::BackendId, lb::BackendId> other_number;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].endpoint.bytes() != b[i].endpoint.bytes()) return false;
    other_number[a[i].id] = b[i].id;
  }
  for (size_t i = 0; i < one.slots().size(); ++i) {
    if (other_number.at(one.slots()[i]) != other.slots()[i]) return false;
  }
  return true;
}

}  // namespace

void World::start_gateway(GatewayNode& node) {
  auto model = ctrl::parse_config(configuration(scenario_, node.index));
  if (!model) throw Violation{"the scenario's configuration is refused: " + model.error().message};
  const SimulationStart start{.seed = scenario_.seed + starts_,
                              .number = starts_,
                              .now = now(),
                              .since_1970 = std::chrono::nanoseconds(now() - scenario_.begin),
                              .rx_queues = scenario_.rx_queues,
                              .ledger_files = ledgers_ ? &ledgers_->disk_of(node) : nullptr};
  ++starts_;
  auto gateway = SimulatedGateway::start(std::move(*model), start);
  if (!gateway) throw Violation{node.name() + " does not start: " + gateway.error().message};
  node.gateway = std::move(*gateway);
  ++node.life;
  node.up_from = node.gateway->now();
  node.stalled_until.assign(node.gateway->threads(), 0);
  node.arrived = node.left = 0;
  for (WireEnd& wire : node.wires) wire = {};
  node.gateway->on_sent([&](unsigned port, Frame frame) { take_from_wire(node, port, std::move(frame)); });
  node.gateway->on_wait([&](Nanoseconds then) { live_until(then); });
  if (ledgers_) ledgers_->note_start(node);
  ++depth_;  // it waits for itself: time goes on, and nobody changes anything
  for (unsigned pool = 0; pool < scenario_.pools.size(); ++pool) {
    if (scenario_.pools[pool].is_discovered) tell_members(node.gateway->gateway(), pool);
  }
  --depth_;
}

void World::tell_members(ctrl::Gateway& gateway, unsigned pool, Word word) {
  using Kind = ctrl::SourceWord::Kind;
  const PoolPlan& plan = scenario_.pools[pool];
  const auto model = gateway.model();
  const auto known = model->pools.find(plan.name);
  ctrl::SourceWord said{.pool = plan.name,
                        .asked = std::make_shared<const ctrl::DiscoverModel>(*known->second->discover),
                        .kind = word == Word::kMembers     ? Kind::kDelivered
                                : word == Word::kConfirmed ? Kind::kConfirmed
                                                           : Kind::kLost,
                        .seen = {std::chrono::steady_clock::time_point(std::chrono::nanoseconds(now())), {}}};
  if (word == Word::kLost) said.reason = "connection refused";
  for (const BackendPlan& backend : plan.backends) {
    if (word == Word::kMembers && backend.is_listed)
      said.entries.push_back({{backend.address, backend.port}, backend.weight});
  }
  std::ranges::sort(said.entries, {}, &ctrl::Discovered::at);
  std::vector<ctrl::SourceWord> words;
  words.push_back(std::move(said));
  gateway.observe(std::move(words));
}

void World::stop_gateway(GatewayNode& node, bool is_orderly) {
  node.gateway->on_wait(nullptr);
  if (!is_orderly) node.gateway->on_sent([](unsigned, Frame) {});
  if (!is_orderly && ledgers_) ledgers_->cut_power(node);
  node.gateway->stop();
  if (is_orderly) check_accounts(node, false);
  if (is_orderly && ledgers_) ledgers_->check_stopped(node);
  node.gateway.reset();
  if (ledgers_) ledgers_->note_end(node);
}

void World::for_each_gateway(const std::function<void(GatewayNode&, ctrl::Gateway&)>& what) {
  for (const auto& node : nodes_) {
    if (node->gateway) what(*node, node->gateway->gateway());
  }
}

/// Rendezvous hashing, as routers call resilient ECMP: only a gateway's own flows move when it goes or comes.
GatewayNode* World::route(const FlowKey& key) {
  GatewayNode* best = nullptr;
  uint64_t most = 0;
  for (const auto& node : nodes_) {
    if (!node->is_routed) continue;
    uint64_t hash = node->index + 1;
    std::array<uint8_t, FlowKey::kHashedBytes> bytes;
    std::memcpy(bytes.data(), &key, bytes.size());
    for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
    hash = Chance(hash).next();
    if (best == nullptr || hash > most) best = node.get(), most = hash;
  }
  return best;
}

void World::set_routed(GatewayNode& node, bool is_routed) {
  if (node.is_routed == is_routed) return;
  std::vector<const GatewayNode*> before;
  for (const auto& connection : connections_) before.push_back(route(connection->key()));
  node.is_routed = is_routed;
  for (size_t i = 0; i < before.size(); ++i) {
    if (route(connections_[i]->key()) != before[i]) disturb_route(*connections_[i]);
  }
}

/// A flow that comes to another gateway is known there by its hash alone; and that is enough, as long as the
/// tables are those by which it began.
void World::disturb_route(Connection& connection) {
  if (connection.has_ended()) return;
  const ServicePlan& service = scenario_.services[connection.service()];
  connection.lose();
  const bool is_kept = !service.translates() && service.picks_by_hash() &&
                       connection.began() > pool_changes_[service.pool].over;
  is_kept ? connection.move() : connection.disturb();
}

void World::disturb_moved(unsigned pool) {
  for (const auto& connection : connections_) {
    if (connection->has_moved() && scenario_.services[connection->service()].pool == pool)
      connection->disturb();
  }
}

void World::disturb_routes(const GatewayNode& node, bool moves) {
  for (const auto& connection : connections_) {
    if (connection->has_ended() || route(connection->key()) != &node) continue;
    moves ? disturb_route(*connection) : connection->lose();
  }
}

/// Of all gateways, slot by slot, but while a change is on its way.
void World::check_tables() {
  if (is_waiting_for_store() || now() <= std::ranges::max(pool_changes_, {}, &PoolChange::over).over) return;
  for (const ServicePlan& service : scenario_.services) {
    std::shared_ptr<const lb::PoolTable> first;
    for (const auto& node : nodes_) {
      if (!node->is_up(now()) || !node->is_routed) continue;
      const auto table = node->gateway->gateway().table_of(service.name);
      if (!table) violate(node->name() + " has no table for " + service.name);
      if (!first) first = *table;
      if (!are_equal(*first, **table)) violate("two gateways have two tables for " + service.name);
    }
  }
}

}  // namespace sluice::sim
