#include "sim/core/frame.h"

#include <algorithm>

namespace sluice::sim {
namespace {

constexpr size_t kEthernetBytes = 14;
constexpr uint16_t kIpv4Type = 0x0800, kIpv6Type = 0x86dd, kVlanType = 0x8100, kQinqType = 0x88a8;

uint16_t word(FrameBytes bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

bool has_ports(uint8_t protocol) {
  return protocol == static_cast<uint8_t>(IpProtocol::kTcp) ||
         protocol == static_cast<uint8_t>(IpProtocol::kUdp);
}

/// Notes protocol, ports and place of what follows an IP header.
void view_transport(FrameBytes frame, size_t at, uint8_t protocol, FrameView& view) {
  view.key.protocol = static_cast<IpProtocol>(protocol);
  if (frame.size() < at + 8) return;
  view.transport = static_cast<uint16_t>(at);
  if (!has_ports(protocol)) return;
  view.key.source_port = Be16::from_host(word(frame, at));
  view.key.destination_port = Be16::from_host(word(frame, at + 2));
}

bool view_ipv4(FrameBytes frame, FrameView& view) {
  const size_t at = view.network;
  if (frame.size() < at + 20) return false;
  const size_t header = (frame[at] & 15u) * 4u;
  if (frame[at] >> 4 != 4 || header < 20) return false;
  view.key.source = IpAddress::v4(load<Be32>(&frame[at + 12]));
  view.key.destination = IpAddress::v4(load<Be32>(&frame[at + 16]));
  view.is_ip = true;
  const bool is_later_fragment = (word(frame, at + 6) & 0x1fff) != 0;
  if (!is_later_fragment) view_transport(frame, at + header, frame[at + 9], view);
  return true;
}

bool view_ipv6(FrameBytes frame, FrameView& view) {
  constexpr uint8_t kHopByHop = 0, kRouting = 43, kDestination = 60;
  size_t at = view.network;
  if (frame.size() < at + 40 || frame[at] >> 4 != 6) return false;
  view.key.source = IpAddress::v6(&frame[at + 8]);
  view.key.destination = IpAddress::v6(&frame[at + 24]);
  view.is_ip = true;
  uint8_t next = frame[at + 6];
  at += 40;
  while (next == kHopByHop || next == kRouting || next == kDestination) {
    if (frame.size() < at + 8) return true;
    next = frame[at];
    at += (frame[at + 1] + 1u) * 8u;
  }
  view_transport(frame, at, next, view);
  return true;
}

}  // namespace

std::optional<FrameView> view_frame(FrameBytes frame) {
  if (frame.size() < kEthernetBytes) return std::nullopt;
  FrameView view;
  std::copy_n(frame.begin(), 6, view.destination.bytes.begin());
  std::copy_n(frame.begin() + 6, 6, view.source.bytes.begin());
  size_t at = 12;
  view.type = word(frame, at);
  while ((view.type == kVlanType || view.type == kQinqType) && frame.size() >= at + 6) {
    at += 4;
    view.type = word(frame, at);
  }
  view.network = static_cast<uint16_t>(at + 2);
  if (view.type == kIpv4Type && !view_ipv4(frame, view)) return std::nullopt;
  if (view.type == kIpv6Type && !view_ipv6(frame, view)) return std::nullopt;
  return view;
}

std::string endpoint_text(const IpAddress& address, uint16_t port) {
  const std::string text = address.to_string();
  return (address.is_v6() ? "[" + text + "]" : text) + ":" + std::to_string(port);
}

}  // namespace sluice::sim
