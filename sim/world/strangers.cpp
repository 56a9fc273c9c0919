#include "sim/world/strangers.h"

#include <array>

namespace sluice::sim {
namespace {

/// In every packet of a flood, for a translated one has another source.
constexpr uint32_t kSequence = 0xf100d000;
constexpr unsigned kLeastFlood = 1000, kMostFlood = 6000;  ///< packets

/// A client's UDP, or TCP that neither begins nor ends anything. An old answer over UDP may be another
/// client's by now, who was given its port.
bool is_plain(unsigned port, const Frame& frame, const FrameView& view) {
  constexpr size_t kFlags = 13;
  const bool is_tcp = view.key.protocol == IpProtocol::kTcp;
  if (!is_tcp) return port == kEdge;
  return (frame[view.transport + kFlags] & (tcp_flag::kSyn | tcp_flag::kFin | tcp_flag::kRst)) == 0;
}

}  // namespace

Strangers::Strangers(World& world, Chance chance, Nanoseconds until)
    : world_(world), chance_(chance), crowd_chance_(world.scenario_.seed ^ 0x63726f7764), until_(until) {
  if (world_.scenario_.has_floods) flood_later();
  if (world_.scenario_.has_crowds) crowd_later();
  if (world_.scenario_.has_forgers) forge_later();
}

bool Strangers::is_stranger(const Packet& packet) {
  return packet.protocol == IpProtocol::kTcp ? (packet.sequence & 0xfffff000) == kSequence
                                             : packet.payload.size() == 1;
}

void Strangers::flood_later() {
  world_.after(chance_.below(5 * kSecondNs), [this] {
    if (world_.now() >= until_) return;
    flood();
    flood_later();
  });
}

void Strangers::crowd_later() {
  world_.after(crowd_chance_.below(6 * kSecondNs), [this] {
    if (world_.now() >= until_) return;
    crowd();
    crowd_later();
  });
}

IpAddress Strangers::crowd_address(uint32_t number) {
  auto bytes = port_address(0, kEdge, true).bytes();
  for (unsigned i = 0; i < 4; ++i) bytes[15 - i] = static_cast<uint8_t>(number >> (8 * i));
  return IpAddress::v6(bytes.data());
}

/// Clients' own are below.
bool Strangers::is_of_crowd(const IpAddress& address) {
  const auto own = port_address(0, kEdge, true).bytes();
  const auto& bytes = address.bytes();
  return std::equal(bytes.begin(), bytes.begin() + 12, own.begin()) && (bytes[12] != 0 || bytes[13] != 0);
}

/// Somebody on the clients' link has many addresses, answers for each, and has a gateway answer them all:
/// each is a neighbor.
void Strangers::crowd() {
  world_.trace_.say(world_.now(), "a crowd begins");
  note_flood();
  GatewayNode& node = *crowd_chance_.pick(world_.nodes_);
  const IpAddress target = port_address(node.index, kEdge, true);
  for (auto left = crowd_chance_.between(kLeastFlood, kMostFlood) / 4; left > 0; --left) {
    const IpAddress sender = crowd_address(0x10000 + static_cast<uint32_t>(crowd_chance_.below(0xffff0000)));
    const Frame frame = ping(target, gateway_mac(node.index, kEdge), sender, assumed_mac(sender));
    world_.after(crowd_chance_.below(500 * kMillisecondNs), [this, &node, frame] {
      if (node.is_up(world_.now())) world_.carry(node, kEdge, frame);
    });
  }
}

void Strangers::flood() {
  world_.trace_.say(world_.now(), "a flood begins");
  note_flood();
  // One kind, or all of them.
  static constexpr std::array<uint8_t, 5> kKinds = {tcp_flag::kSyn, tcp_flag::kAck,
                                                    tcp_flag::kSyn | tcp_flag::kAck, tcp_flag::kRst,
                                                    tcp_flag::kFin | tcp_flag::kAck};
  const auto only = chance_.below(2 * kKinds.size());
  for (auto left = chance_.between(kLeastFlood, kMostFlood); left > 0; --left) {
    const ServicePlan& service = chance_.pick(world_.scenario_.services);
    Packet packet;
    packet.source =
        *IpAddress::parse(service.address.is_v6() ? "2001:db8:bad::" + std::to_string(1 + chance_.below(9999))
                                                  : "100.64.1." + std::to_string(1 + chance_.below(250)));
    packet.destination = service.address;
    packet.protocol = service.protocol;
    packet.source_port = static_cast<uint16_t>(chance_.between(1024, 65535));
    packet.destination_port = service.port;
    packet.sequence = kSequence | static_cast<uint32_t>(chance_.below(4096));
    packet.flags = only < kKinds.size() ? kKinds[only] : chance_.pick(kKinds);
    if (service.protocol == IpProtocol::kUdp) packet.payload = {0};
    world_.after(chance_.below(500 * kMillisecondNs), [this, packet] { world_.send_to_gateway(packet); });
  }
}

void Strangers::note_flood() {
  world_.last_flood_ = world_.now();
  // Flows that nobody has answered yet may give way; and what is answered past the gateway is hard to tell.
  for (const auto& connection : world_.connections_) {
    const ServicePlan& service = world_.scenario_.services[connection->service()];
    const bool is_sure = service.translates() && connection->backend().has_value();
    if (!is_sure && !connection->has_ended()) connection->disturb();
  }
}

void Strangers::forge_later() {
  world_.after(chance_.below(50 * kMillisecondNs), [this] {
    if (world_.now() >= until_) return;
    forge();
    forge_later();
  });
}

void Strangers::forge() {
  if (chance_.happens(200)) return forge_flags();
  if (world_.remembered_.empty()) return;
  auto [gateway, port, frame] = chance_.pick(world_.remembered_);
  const auto view = view_frame(frame);
  // Checksums cover IPv4 whole, and IPv6 from its addresses on.
  const size_t covered = view->network + (view->key.source.is_v4() ? 0u : 8u);
  switch (chance_.below(3)) {
    case 0:
      frame[chance_.between(covered, frame.size() - 1)] ^= static_cast<uint8_t>(1u << chance_.below(8));
      break;
    case 1:
      frame.resize(chance_.between(1, frame.size() - 1));
      break;
    default:  // once more, where that asks for nothing new: nobody forbids to begin or to end a flow by an
              // old packet
      if (!is_plain(port, frame, *view)) return;
  }
  // It is not remembered: two faults in one frame may undo each other in its checksum.
  world_.carry(*world_.nodes_[gateway], port, frame);
}

/// In the name of a connection, with numbers that are not its own: RFC 5961 has hosts tell that.
void Strangers::forge_flags() {
  if (world_.connections_.empty()) return;
  Connection& connection = *chance_.pick(world_.connections_);
  const bool is_tcp = connection.key().protocol == IpProtocol::kTcp;
  if (!is_tcp || connection.state() != Connection::State::kOpen) return;
  static constexpr std::array<uint8_t, 3> kForged = {tcp_flag::kSyn, tcp_flag::kSyn | tcp_flag::kAck,
                                                     tcp_flag::kSyn | tcp_flag::kFin};
  // One kind for each: a SYN after a RST or FIN may begin a flow anew, for it is closing.
  constexpr uint8_t kFin = tcp_flag::kFin | tcp_flag::kAck;
  const bool is_end = connection.port() % 2 == 0;
  const uint8_t end = connection.port() % 4 == 0 ? uint8_t{tcp_flag::kRst} : kFin;
  const uint8_t flags = is_end ? end : chance_.pick(kForged);
  if (is_end) {
    if (world_.scenario_.has_floods) return;  // what is closing gives way
  } else {
    // Where a flow's backend takes no new ones, a SYN may begin it anew elsewhere.
    const bool is_kept = connection.backend() && world_.takes_new(*world_.backends_[*connection.backend()]);
    if (!is_kept) connection.disturb();
  }
  world_.send_to_gateway(connection.forged(flags, static_cast<uint32_t>(chance_.next())));
}

}  // namespace sluice::sim
