#include "sim/world/world.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "ctrl/intent/config_schema.h"
#include "sim/world/changes.h"
#include "sim/world/strangers.h"

namespace sluice::sim {
namespace {

constexpr Nanoseconds kHealing = 5 * kSecondNs;  ///< after the last fault, until all must be well
constexpr size_t kRemembered = 500;
constexpr unsigned kStallChance = 5;  ///< of a thousand milliseconds, for each worker

}  // namespace

World::World(const Scenario& scenario)
    : scenario_(scenario),
      chance_(scenario.seed ^ 0x776f726c64),
      wire_chance_(chance_.branch()),
      turn_chance_(chance_.branch()),
      faults_(scenario.wire) {
  auto model = ctrl::parse_config(configuration(scenario_));
  if (!model) throw Violation{"the scenario's configuration is refused: " + model.error().message};
  auto gateway = SimulatedGateway::start(
      std::move(*model), {.seed = scenario.seed, .now = scenario.begin, .rx_queues = scenario.rx_queues});
  if (!gateway) throw Violation{"the gateway does not start: " + gateway.error().message};
  gateway_ = std::move(*gateway);
  gateway_->on_sent([this](unsigned port, Frame frame) { take_from_wire(port, std::move(frame)); });
  gateway_->on_wait([this](Nanoseconds then) { live_until(then); });
  stalled_until_.resize(gateway_->workers());
  for (unsigned pool = 0; pool < scenario_.pools.size(); ++pool) {
    for (unsigned place = 0; place < scenario_.pools[pool].backends.size(); ++place) {
      const auto number = static_cast<uint16_t>(backends_.size());
      backends_.push_back(std::make_unique<BackendHost>(pool, place, Server(number, chance_.next())));
      backends_by_mac_[assumed_mac(scenario_.pools[pool].backends[place].address)] = backends_.back().get();
    }
  }
}

World::~World() {
  if (!gateway_) return;
  gateway_->on_sent([](unsigned, Frame) {});
  gateway_->on_wait(nullptr);
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
  Strangers strangers(*this, chance_.branch(), busy_until);
  live_until(busy_until);
  trace_.say(now(), "the last fault is over");
  faults_ = {};
  scenario_.has_stalls = false;
  after(0, [&] { changes.heal(); });
  live_until(now() + kHealing);
  check_liveness();
  check_emptiness();
  WorldSummary summary{.lasted = now() - scenario_.begin, .frames = trace_.frames()};
  gateway_->stop();
  check_accounts(true);
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
    gateway_->set_time(next);
    while (!events_.empty() && events_.next() <= now()) events_.take()();
    turn_workers();
    if (next % kMillisecondNs != 0) continue;
    if (!is_waiting_for_store()) gateway_->tick();
    if (next / kMillisecondNs % 20 == 0) {
      check_accounts(false);
      check_connections();
    }
  }
  --depth_;
}

void World::turn_workers() {
  if (!scenario_.has_stalls) return gateway_->settle();
  std::vector<unsigned> order(gateway_->workers());
  std::iota(order.begin(), order.end(), 0u);
  turn_chance_.shuffle(std::span(order));
  for (bool busy = true; busy;) {
    busy = false;
    for (const unsigned worker : order) {
      if (now() < stalled_until_[worker]) continue;
      if (turn_chance_.happens(kStallChance))
        stalled_until_[worker] = now() + turn_chance_.below(8 * kMillisecondNs);
      busy |= gateway_->step(worker);
    }
  }
}

Nanoseconds World::wire_delay() {
  const Nanoseconds usual = wire_chance_.between(20'000, 200'000);
  return wire_chance_.happens(faults_.delayed) ? usual + wire_chance_.below(20 * kMillisecondNs) : usual;
}

void World::send_to_gateway(Packet packet) {
  packet.to = gateway_mac(kEdge);
  packet.from = assumed_mac(packet.source);
  put_on_wire(kEdge, write_packet(packet));
}

void World::put_on_wire(unsigned port, Frame frame) {
  remember(frame);
  carry(port, frame);
}

void World::carry(unsigned port, const Frame& frame) {
  if (wire_chance_.happens(faults_.lost)) return;
  const unsigned copies = wire_chance_.happens(faults_.doubled) ? 2 : 1;
  for (unsigned copy = 0; copy < copies; ++copy) {
    events_.at(now() + wire_delay(), [this, port, frame] {
      trace_.show(now(), port, true, frame);
      ++arrived_;
      gateway_->arrive(port, frame, static_cast<unsigned>(wire_chance_.below(gateway_->rx_queues(port))));
    });
  }
}

void World::remember(const Frame& frame) {
  if (!is_traffic(frame)) return;
  if (remembered_.size() < kRemembered) return remembered_.push_back(frame);
  remembered_[wire_chance_.below(kRemembered)] = frame;
}

void World::take_from_wire(unsigned port, Frame frame) {
  trace_.show(now(), port, false, frame);
  ++left_;
  if (!is_traffic(frame)) return answer_neighbor(port, frame);
  const auto read = read_packet(frame, kGuePort);
  if (!read) violate("the gateway sent a frame with " + read.error().message);
  if (read->packet.from != gateway_mac(port)) violate("the gateway sent a frame from another MAC address");
  if (wire_chance_.happens(faults_.lost)) return;
  const unsigned copies = wire_chance_.happens(faults_.doubled) ? 2 : 1;
  for (unsigned copy = 0; copy < copies; ++copy) {
    events_.at(now() + wire_delay(), [this, port, read = *read] {
      port == kEdge ? deliver_to_client(read.packet) : deliver_to_backend(read);
    });
  }
}

bool World::has_host(unsigned port, const IpAddress& address) const {
  if (port == kEdge) return std::ranges::find(scenario_.clients, address) != scenario_.clients.end();
  const auto found = backends_by_mac_.find(assumed_mac(address));
  return found != backends_by_mac_.end() && found->second->is_alive;
}

void World::answer_neighbor(unsigned port, const Frame& frame) {
  AssumedNeighbors asked;
  auto answer = asked.answer(port, frame);
  if (!answer || !has_host(port, asked.known().begin()->first.second)) return;
  put_on_wire(port, std::move(*answer));
}

void World::deliver_to_client(const Packet& packet) {
  const auto found = connections_by_client_.find({packet.destination, packet.destination_port});
  if (found == connections_by_client_.end()) return;  // of a stranger's doing
  const ServicePlan& service = scenario_.services[found->second->service()];
  if (packet.source != service.address || packet.source_port != service.port) {
    violate(found->second->name() + " is answered from " + endpoint_text(packet.source, packet.source_port));
  }
  found->second->receive(packet);
}

BackendHost* World::backend_at(const MacAddress& mac) {
  const auto found = backends_by_mac_.find(mac);
  return found == backends_by_mac_.end() ? nullptr : found->second;
}

void World::deliver_to_backend(const ReadPacket& read) {
  BackendHost* const host = backend_at(read.packet.to);
  if (host == nullptr) violate("the gateway sent a packet to a MAC address that nobody has");
  const BackendPlan& plan = plan_of(*host);
  const ServicePlan& service = scenario_.services[host->pool];
  const IpAddress& meant = read.is_tunnelled ? read.tunnel_end : read.packet.destination;
  if (service.forward != "direct" && meant != plan.address) {
    violate("backend " + plan.address.to_string() + " got a packet for " + meant.to_string());
  }
  if (service.translates() && read.packet.ttl != 63) violate("a translated packet has a wrong TTL");
  if (!service.translates() && (read.packet.ttl != 64 || read.packet.destination != service.address)) {
    violate("a packet of mode " + service.forward + " was changed");
  }
  if (!host->is_alive || Strangers::is_stranger(read.packet)) return;
  std::optional<Message> request;
  auto answer = host->server.receive(read.packet, request);
  if (!answer) return;
  if (service.translates()) {
    answer->to = gateway_mac(kCore);
    answer->from = assumed_mac(plan.address);
    return put_on_wire(kCore, write_packet(*answer));
  }
  if (wire_chance_.happens(faults_.lost)) return;
  after(wire_delay(), [this, answer = *answer] { deliver_to_client(answer); });
}

}  // namespace sluice::sim
