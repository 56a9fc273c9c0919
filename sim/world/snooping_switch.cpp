#include "sim/world/snooping_switch.h"

#include <algorithm>
#include <array>

namespace sluice::sim {
namespace {

constexpr uint16_t kArp = 0x0806, kIpv4 = 0x0800, kIpv6 = 0x86dd;
constexpr uint8_t kIcmpv6 = 58, kReport = 143;  // RFC 3810, 5.2
constexpr uint8_t kSolicit = 135, kAdvertise = 136, kEchoRequest = 128;
constexpr uint8_t kToInclude = 3, kIncludes = 1;
constexpr size_t kEthernet = 14, kIpv6Header = 40;

constexpr std::array<uint8_t, 16> kAllNodes{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

uint16_t word(FrameBytes bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

void add16(Frame& frame, unsigned value) {
  frame.push_back(static_cast<uint8_t>(value >> 8));
  frame.push_back(static_cast<uint8_t>(value));
}

void add(Frame& frame, FrameBytes bytes) {
  frame.insert(frame.end(), bytes.begin(), bytes.end());
}

FrameBytes ipv4_of(const IpAddress& address) {
  return FrameBytes(address.bytes()).last(4);
}

/// Solicited-node (RFC 4291, 2.7.1).
std::array<uint8_t, 16> group_of(const IpAddress& target) {
  std::array<uint8_t, 16> group{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::copy_n(target.bytes().begin() + 13, 3, group.begin() + 13);
  return group;
}

Frame header_of(FrameBytes to, const MacAddress& from, uint16_t type) {
  Frame frame(to.begin(), to.end());
  add(frame, from.bytes);
  add16(frame, type);
  return frame;
}

/// Of the ICMPv6 message from `message` on, over its pseudo-header too (RFC 8200, 8.1).
void fill_checksum(Frame& frame, size_t message) {
  uint32_t sum = static_cast<uint32_t>(frame.size() - message) + kIcmpv6;
  const auto add_up = [&](size_t from, size_t to) {
    for (size_t at = from; at < to; at += 2) sum += word(frame, at);
  };
  add_up(kEthernet + 8, kEthernet + kIpv6Header);
  add_up(message, frame.size());
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  frame[message + 2] = static_cast<uint8_t>(~sum >> 8);
  frame[message + 3] = static_cast<uint8_t>(~sum);
}

Frame arp_request(const IpAddress& target, const IpAddress& sender, const MacAddress& mac) {
  constexpr std::array<uint8_t, 6> kEverybody{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, kNobody{};
  Frame frame = header_of(kEverybody, mac, kArp);
  add(frame, std::array<uint8_t, 8>{0, 1, 8, 0, 6, 4, 0, 1});
  add(frame, mac.bytes);
  add(frame, ipv4_of(sender));
  add(frame, kNobody);
  add(frame, ipv4_of(target));
  return frame;
}

Frame solicitation(const IpAddress& target, const IpAddress& sender, const MacAddress& mac) {
  const auto group = group_of(target);
  const std::array<uint8_t, 6> to{0x33, 0x33, group[12], group[13], group[14], group[15]};
  Frame frame = header_of(to, mac, kIpv6);
  constexpr unsigned kMessage = 32;
  add(frame, std::array<uint8_t, 8>{0x60, 0, 0, 0, 0, kMessage, kIcmpv6, 255});
  add(frame, sender.bytes());
  add(frame, group);
  add(frame, std::array<uint8_t, 8>{kSolicit, 0, 0, 0, 0, 0, 0, 0});
  add(frame, target.bytes());
  add(frame, std::array<uint8_t, 2>{1, 1});
  add(frame, mac.bytes);
  fill_checksum(frame, kEthernet + kIpv6Header);
  return frame;
}

}  // namespace

void SnoopingSwitch::learn(FrameBytes sent) {
  if (sent.size() < kEthernet + kIpv6Header + 16 || word(sent, 12) != kIpv6) return;
  size_t at = kEthernet + kIpv6Header;
  uint8_t next = sent[kEthernet + 6];
  if (next == 0) {  // hop-by-hop options, where MLD has its router alert
    next = sent[at];
    at += (sent[at + 1] + 1u) * 8u;
  }
  if (next != kIcmpv6 || sent.size() < at + 8 || sent[at] != kReport) return;
  unsigned records = word(sent, at + 6);
  for (at += 8; records > 0 && sent.size() >= at + 20; --records) {
    const uint8_t type = sent[at];
    const unsigned sources = word(sent, at + 2);
    const IpAddress group = IpAddress::v6(&sent[at + 4]);
    const bool leaves = (type == kToInclude || type == kIncludes) && sources == 0;
    leaves ? void(groups_.erase(group)) : void(groups_.insert(group));
    at += 20 + 16u * sources + 4u * sent[at + 1];
  }
}

bool SnoopingSwitch::passes(FrameBytes frame) const {
  const bool is_multicast = frame.size() >= kEthernet + kIpv6Header && frame[0] == 0x33 && frame[1] == 0x33;
  if (!is_multicast) return true;
  const IpAddress group = IpAddress::v6(&frame[kEthernet + 24]);
  return group == IpAddress::v6(kAllNodes.data()) || groups_.contains(group);
}

/// RFC 3810, 5.1: to be answered within a second.
Frame ask_for_groups(const MacAddress& querier) {
  constexpr std::array<uint8_t, 16> kQuerier{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9};
  constexpr uint8_t kOptions = 8, kQuery = 28;
  Frame frame = header_of(std::array<uint8_t, 6>{0x33, 0x33, 0, 0, 0, 1}, querier, kIpv6);
  add(frame, std::array<uint8_t, 8>{0x60, 0, 0, 0, 0, kOptions + kQuery, 0, 1});
  add(frame, kQuerier);
  add(frame, kAllNodes);
  add(frame, std::array<uint8_t, kOptions>{kIcmpv6, 0, 5, 2, 0, 0, 1, 0});
  const size_t message = frame.size();
  add(frame, std::array<uint8_t, 8>{130, 0, 0, 0, 1000 >> 8, 1000 & 255, 0, 0});
  frame.resize(frame.size() + 16);
  add(frame, std::array<uint8_t, 4>{2, 125, 0, 0});
  fill_checksum(frame, message);
  return frame;
}

Frame ask_for(const IpAddress& target, const IpAddress& sender, const MacAddress& sender_mac) {
  return target.is_v6() ? solicitation(target, sender, sender_mac) : arp_request(target, sender, sender_mac);
}

Frame ping(const IpAddress& target, const MacAddress& target_mac, const IpAddress& sender,
           const MacAddress& sender_mac) {
  constexpr unsigned kMessage = 8;
  Frame frame = header_of(target_mac.bytes, sender_mac, kIpv6);
  add(frame, std::array<uint8_t, 8>{0x60, 0, 0, 0, 0, kMessage, kIcmpv6, 64});
  add(frame, sender.bytes());
  add(frame, target.bytes());
  add(frame, std::array<uint8_t, kMessage>{kEchoRequest, 0, 0, 0, 0, 1, 0, 1});
  fill_checksum(frame, kEthernet + kIpv6Header);
  return frame;
}

std::optional<IpAddress> answered_address(FrameBytes frame) {
  if (frame.size() >= kEthernet + 28 && word(frame, 12) == kArp && word(frame, kEthernet + 6) == 2)
    return IpAddress::v4(load<Be32>(&frame[kEthernet + 14]));
  const size_t message = kEthernet + kIpv6Header;
  const bool is_advertisement = frame.size() >= message + 24 && word(frame, 12) == kIpv6 &&
                                frame[kEthernet + 6] == kIcmpv6 && frame[message] == kAdvertise;
  if (!is_advertisement) return std::nullopt;
  return IpAddress::v6(&frame[message + 8]);
}

}  // namespace sluice::sim
