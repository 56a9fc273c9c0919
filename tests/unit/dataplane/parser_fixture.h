// Frames for the parser, and what it makes of them. Both families: parser_test.cpp has the suite's
// instantiation.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "dataplane/packet/parser.h"
#include "tests/support/packet_builder.h"

namespace sluice::dataplane {

using test::Bytes;
using test::ethernet;
using test::ip;
using test::Link;
using test::PacketBuilder;

inline constexpr const char* kClient4 = "198.51.100.7";
inline constexpr const char* kVip4 = "203.0.113.10";
inline constexpr const char* kClient6 = "2001:db8:c::7";
inline constexpr const char* kVip6 = "2001:db8:1::10";
inline const Link kToPort{"02:00:00:00:00:99", "02:00:00:00:00:01"};

inline IpAddress address(const char* text) {
  return *IpAddress::parse(text);
}

inline PortView port(std::vector<uint16_t> vlans = {}) {
  PortView view;
  view.mac = *MacAddress::parse("02:00:00:00:00:01");
  view.vlan_tags = static_cast<uint8_t>(vlans.size());
  std::copy(vlans.begin(), vlans.end(), view.vlan_ids.begin());
  return view;
}

struct Parsed {
  DropReason reason;
  PacketMeta meta;
};

inline Parsed parse_bytes(const Bytes& frame, const PortView& view = port(), DeviceChecksums device = {}) {
  Parsed parsed;
  // A copy of exactly the frame's size, so that a sanitizer sees any byte read beyond it.
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[frame.size()]);
  std::copy(frame.begin(), frame.end(), exact.get());
  parsed.reason = parse({exact.get(), frame.size()}, view, device, parsed.meta);
  return parsed;
}

inline Parsed parse_packet(const PacketBuilder& packet) {
  return parse_bytes(ethernet(kToPort, packet));
}

class BothFamilies : public testing::TestWithParam<bool> {
 protected:
  bool v4() const { return GetParam(); }
  const char* client() const { return v4() ? kClient4 : kClient6; }
  const char* vip() const { return v4() ? kVip4 : kVip6; }
  size_t ip_header() const { return v4() ? 20 : 40; }
  PacketBuilder request() const { return ip(client(), vip()); }
  /// An error of that family quoting `quote`: unreachable, port.
  PacketBuilder error(const Bytes& quote) const {
    return v4() ? request().icmp(3, 3, 0).payload(quote) : request().icmp(1, 4, 0).payload(quote);
  }
};

}  // namespace sluice::dataplane
