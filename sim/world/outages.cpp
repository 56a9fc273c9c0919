#include "sim/world/outages.h"

#include <algorithm>

#include "ctrl/intent/fault.h"

namespace sluice::sim {
namespace {

constexpr Nanoseconds kUntilKnown = 3 * kSecondNs;  ///< neighbors are asked for once a second

}  // namespace

Outages::Outages(World& world, Chance chance, Nanoseconds until)
    : world_(world), chance_(chance), until_(until) {
  if (world_.scenario_.has_outages) begin_later();
}

void Outages::say(const GatewayNode& node, const std::string& what) {
  world_.trace_.say(world_.now(), node.name() + ": " + what);
}

void Outages::begin_later() {
  world_.after(chance_.below(3 * kSecondNs), [this] {
    world_.when_idle([this] {
      if (world_.now() >= until_) return;
      begin();
      begin_later();
    });
  });
}

bool Outages::has_another(const GatewayNode& node) const {
  return std::ranges::any_of(world_.nodes_, [&](const auto& other) {
    return other.get() != &node && other->is_routed && other->is_sound() && other->is_up(world_.now());
  });
}

void Outages::begin() {
  GatewayNode& node = *chance_.pick(world_.nodes_);
  if (!node.is_up(world_.now()) || !node.is_sound() || !node.is_routed) return;
  const auto port = static_cast<unsigned>(chance_.below(2));
  switch (chance_.below(4)) {
    case 0:
      return cut_link(node, port);
    case 1:
      return narrow(node, port);
    default:
      if (has_another(node)) kill(node);
  }
}

/// The router sees its own end of a link; that the other one is down nobody tells it.
void Outages::cut_link(GatewayNode& node, unsigned port) {
  say(node, std::string("the link of ") + (port == kEdge ? "edge" : "core") + " goes down");
  world_.disturb_routes(node, false);
  node.wires[port].is_up = false;
  node.gateway->set_link(port, false);
  if (port == kEdge && has_another(node)) world_.set_routed(node, false);
  mend(node);
}

void Outages::narrow(GatewayNode& node, unsigned port) {
  say(node, "large frames vanish");
  world_.disturb_routes(node, false);
  node.wires[port].most_bytes = chance_.between(200, 800);
  mend(node);
}

void Outages::mend(GatewayNode& node) {
  world_.after(chance_.between(100, 1500) * kMillisecondNs, [this, &node, life = node.life] {
    world_.when_idle([this, &node, life] {
      if (node.life != life || !node.gateway) return;
      say(node, "its wires are well");
      for (const unsigned port : {kEdge, kCore}) {
        node.wires[port].is_up = true;
        node.wires[port].most_bytes = std::numeric_limits<size_t>::max();
        node.gateway->set_link(port, true);
      }
      node.sound_since = world_.now() + kUntilKnown;
      world_.disturb_routes(node, false);  // who came meanwhile
      world_.set_routed(node, true);
    });
  });
}

void Outages::kill(GatewayNode& node) {
  const bool is_orderly = chance_.happens(500);
  say(node, is_orderly ? "it is stopped" : "its power goes");
  world_.disturb_routes(node, true);
  world_.stop_gateway(node, is_orderly);
  world_.after(chance_.between(50, 500) * kMillisecondNs, [this, &node] {
    world_.when_idle([this, &node] {
      if (!node.gateway) world_.set_routed(node, false);
    });
  });
  world_.after(chance_.between(1, 3) * kSecondNs, [this, &node] {
    world_.when_idle([this, &node] {
      if (!node.gateway) revive(node);
    });
  });
}

/// What people and checks had said is said to it again; then flows come back.
void Outages::revive(GatewayNode& node) {
  say(node, "it starts");
  world_.set_routed(node, false);
  world_.start_gateway(node);
  ctrl::Gateway& gateway = node.gateway->gateway();
  for (const auto& host : world_.backends_) {
    if (!world_.plan_of(*host).is_listed) continue;
    if (host->is_found_down) gateway.set_health(world_.key_of(*host), false, "is silent");
    if (host->state == ctrl::AdminState::kActive) continue;
    const auto changed = gateway.set_backend(world_.key_of(*host), std::nullopt, host->state);
    if (!changed) world_.violate("a state is refused: " + changed.error().message);
  }
  world_.after(200 * kMillisecondNs, [this, &node] {
    world_.when_idle([this, &node] {
      if (!node.gateway) return;
      node.sound_since =
          world_.now() + kUntilKnown;  // so many come at once that not all may wait for neighbors
      world_.set_routed(node, true);
    });
  });
}

void Outages::heal() {
  for (const auto& node : world_.nodes_) {
    if (!node->gateway) revive(*node);
  }
}

}  // namespace sluice::sim
