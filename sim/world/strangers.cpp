#include "sim/world/strangers.h"

namespace sluice::sim {
namespace {

/// In every packet of a flood, for a translated one has another source.
constexpr uint32_t kSequence = 0xf100d000;
constexpr unsigned kFloodPackets = 2000;

/// A client's UDP, or TCP that neither begins nor ends anything. An old answer over UDP may be another
/// client's by now, who was given its port.
bool is_plain(const Frame& frame, const FrameView& view) {
  constexpr size_t kFlags = 13;
  const bool is_tcp = view.key.protocol == IpProtocol::kTcp;
  if (!is_tcp) return view.destination == gateway_mac(kEdge);
  return (frame[view.transport + kFlags] & (tcp_flag::kSyn | tcp_flag::kFin | tcp_flag::kRst)) == 0;
}

}  // namespace

Strangers::Strangers(World& world, Chance chance, Nanoseconds until)
    : world_(world), chance_(chance), until_(until) {
  if (world_.scenario_.has_floods) flood_later();
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

void Strangers::flood() {
  world_.trace_.say(world_.now(), "a flood begins");
  world_.last_flood_ = world_.now();
  // Flows that nobody has answered yet may give way; and what is answered past the gateway is hard to tell.
  for (const auto& connection : world_.connections_) {
    const ServicePlan& service = world_.scenario_.services[connection->service()];
    const bool is_sure = service.translates() && connection->backend().has_value();
    if (!is_sure && !connection->has_ended()) connection->disturb();
  }
  for (unsigned i = 0; i < kFloodPackets; ++i) {
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
    packet.flags = chance_.happens(800) ? tcp_flag::kSyn : tcp_flag::kAck;
    if (service.protocol == IpProtocol::kUdp) packet.payload = {0};
    world_.after(chance_.below(500 * kMillisecondNs), [this, packet] { world_.send_to_gateway(packet); });
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
  if (world_.remembered_.empty()) return;
  Frame frame = chance_.pick(world_.remembered_);
  const auto view = view_frame(frame);
  const unsigned port = view->destination == gateway_mac(kCore) ? kCore : kEdge;
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
      if (!is_plain(frame, *view)) return;
  }
  // It is not remembered: two faults in one frame may undo each other in its checksum.
  world_.carry(port, frame);
}

}  // namespace sluice::sim
