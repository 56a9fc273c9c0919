// The wires of a simulated world, and the hosts at their ends.
#include <algorithm>

#include "sim/world/strangers.h"
#include "sim/world/world.h"

namespace sluice::sim {
namespace {

constexpr size_t kRemembered = 500;

bool is_answer_of_ledger(const Packet& packet) {
  return packet.source == ingress_address(packet.source.is_v6()) && packet.source_port == kCoapPort;
}

}  // namespace

Nanoseconds World::wire_delay() {
  const Nanoseconds usual = wire_chance_.between(20'000, 200'000);
  return wire_chance_.happens(faults_.delayed) ? usual + wire_chance_.below(20 * kMillisecondNs) : usual;
}

bool World::loses(const GatewayNode& node, unsigned port, size_t bytes) {
  const WireEnd& wire = node.wires[port];
  return !wire.is_up || bytes > wire.most_bytes || wire_chance_.happens(faults_.lost);
}

void World::send_to_gateway(Packet packet) {
  GatewayNode* const node = route({packet.source,
                                   packet.destination,
                                   Be16::from_host(packet.source_port),
                                   Be16::from_host(packet.destination_port),
                                   packet.protocol,
                                   {}});
  if (node == nullptr) return;
  packet.to = gateway_mac(node->index, kEdge);
  packet.from = assumed_mac(packet.source);
  put_on_wire(*node, kEdge, write_packet(packet));
}

void World::put_on_wire(GatewayNode& node, unsigned port, Frame frame) {
  remember(node, port, frame);
  carry(node, port, frame);
}

void World::carry(GatewayNode& node, unsigned port, const Frame& frame) {
  if (loses(node, port, frame.size())) return;
  const unsigned copies = wire_chance_.happens(faults_.doubled) ? 2 : 1;
  for (unsigned copy = 0; copy < copies; ++copy) {
    after(wire_delay(), [this, &node, life = node.life, port, frame] {
      const bool is_there = node.is_up(now()) && node.life == life && node.wires[port].is_up;
      if (!is_there || !node.wires[port].switch_port.passes(frame)) return;
      trace_.show(now(), 2 * node.index + port, true, frame);
      ++node.arrived;
      const auto queue = static_cast<unsigned>(wire_chance_.below(node.gateway->rx_queues(port)));
      node.gateway->arrive(port, frame, queue);
    });
  }
}

void World::remember(const GatewayNode& node, unsigned port, const Frame& frame) {
  if (!is_traffic(frame)) return;
  Remembered seen{node.index, port, frame};
  if (remembered_.size() < kRemembered) return remembered_.push_back(std::move(seen));
  remembered_[wire_chance_.below(kRemembered)] = std::move(seen);
}

void World::take_from_wire(GatewayNode& node, unsigned port, Frame frame) {
  trace_.show(now(), 2 * node.index + port, false, frame);
  ++node.left;
  if (!is_traffic(frame)) return answer_neighbor(node, port, frame);
  const auto read = read_packet(frame, kGuePort);
  if (!read) violate("a gateway sent a frame with " + read.error().message);
  if (read->packet.from != gateway_mac(node.index, port))
    violate("a gateway sent a frame from another MAC address");
  const bool is_of_ledger = ledgers_ && is_answer_of_ledger(read->packet);
  if (is_of_ledger) submitters_->note_left(node, read->packet);
  if (loses(node, port, frame.size())) return;
  const unsigned copies = wire_chance_.happens(faults_.doubled) ? 2 : 1;
  for (unsigned copy = 0; copy < copies; ++copy) {
    after(wire_delay(), [this, &node, port, read = *read] {
      port == kEdge ? deliver_to_client(read.packet) : deliver_to_backend(node, read);
    });
  }
}

bool World::has_host(unsigned port, const IpAddress& address) const {
  if (port == kEdge) {
    return Strangers::is_of_crowd(address) ||
           std::ranges::find(scenario_.clients, address) != scenario_.clients.end();
  }
  const auto found = backends_by_mac_.find(assumed_mac(address));
  return found != backends_by_mac_.end() && found->second->is_alive;
}

void World::answer_neighbor(GatewayNode& node, unsigned port, const Frame& frame) {
  if (!node.wires[port].is_up) return;
  node.wires[port].switch_port.learn(frame);
  if (const auto told = answered_address(frame)) told_.insert({node.index, *told});
  AssumedNeighbors asked;
  auto answer = asked.answer(port, frame);
  if (!answer || !has_host(port, asked.known().begin()->first.second)) return;
  put_on_wire(node, port, std::move(*answer));
}

void World::deliver_to_client(const Packet& packet) {
  if (ledgers_ && is_answer_of_ledger(packet)) return submitters_->receive(packet);
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

/// What a service's mode promises of a packet that a backend gets.
void World::check_mode(const GatewayNode& node, const BackendHost& host, const ReadPacket& read) {
  const BackendPlan& plan = plan_of(host);
  const ServicePlan& service = scenario_.services[host.pool];
  const Packet& packet = read.packet;
  const IpAddress& meant = read.is_tunnelled ? read.tunnel_end : packet.destination;
  if (service.forward != "direct" && meant != plan.address)
    violate("backend " + plan.address.to_string() + " got a packet for " + meant.to_string());
  if (service.translates() && packet.ttl != 63) violate("a translated packet has a wrong TTL");
  if (service.forward == "full-nat" && packet.source != snat_address(node.index, plan.address.is_v6()))
    violate("a packet of full-nat comes from " + packet.source.to_string());
  if (!service.translates() && (packet.ttl != 64 || packet.destination != service.address))
    violate("a packet of mode " + service.forward + " was changed");
}

void World::deliver_to_backend(GatewayNode& node, const ReadPacket& read) {
  BackendHost* const host = backend_at(read.packet.to);
  if (host == nullptr) violate("a gateway sent a packet to a MAC address that nobody has");
  check_mode(node, *host, read);
  if (!host->is_alive || Strangers::is_stranger(read.packet)) return;
  std::optional<Message> request;
  auto answer = host->server.receive(read.packet, request);
  if (!answer) return;
  if (scenario_.services[host->pool].translates()) {
    answer->to = read.packet.from;
    answer->from = assumed_mac(plan_of(*host).address);
    return put_on_wire(node, kCore, write_packet(*answer));
  }
  if (wire_chance_.happens(faults_.lost)) return;
  after(wire_delay(), [this, answer = *answer] { deliver_to_client(answer); });
}

}  // namespace sluice::sim
