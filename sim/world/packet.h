// Packets as hosts of the simulated world write and read them. It shares no code with the gateway: what the
// gateway sends is believed only where lengths and checksums are right by this reading. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "sim/core/frame.h"

namespace sluice::sim {

namespace tcp_flag {
inline constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kPush = 8, kAck = 16;
}

/// An IP packet of TCP or UDP in an Ethernet frame without tags.
struct Packet {
  MacAddress to;
  MacAddress from;
  IpAddress source;
  IpAddress destination;
  uint8_t ttl = 64;
  IpProtocol protocol = IpProtocol::kTcp;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint32_t sequence = 0;  ///< TCP's, as the next two
  uint32_t acknowledged = 0;
  uint8_t flags = 0;
  std::vector<uint8_t> payload;
};

Frame write_packet(const Packet& packet);

/// What was read, and the address that the tunnel leads to, if one lay around it (IP in IP, GUE).
struct ReadPacket {
  Packet packet;
  IpAddress tunnel_end;
  bool is_tunnelled = false;
};
/// An Error says what is wrong with the frame. `gue_port`: UDP to it carries an IP packet.
Result<ReadPacket> read_packet(FrameBytes frame, uint16_t gue_port);

/// Whether it holds IP of TCP or UDP, or a tunnel; else it is ARP, NDP, MLD or ICMP.
bool is_traffic(FrameBytes frame);

}  // namespace sluice::sim
