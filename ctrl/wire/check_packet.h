// The packets of checks that go through a service, as they lie on the wire: TCP segments (RFC 9293) and UDP
// datagrams in IP, without extension headers. Pure functions on bytes; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/address.h"
#include "common/headers.h"

namespace sluice::ctrl {

/// The ends of one check's packets.
struct CheckEnds {
  IpAddress own;
  uint16_t own_port = 0;
  IpAddress peer;  ///< of the same family
  uint16_t peer_port = 0;
};

/// What of a segment a client deals with.
struct TcpSegment {
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t flags = 0;  ///< TcpHeader's
  uint16_t window = 0;
  uint16_t most_payload = 0;  ///< option 2, the maximum segment size; 0: there is none
  std::span<const uint8_t> payload = {};
};

/// Write a bare IP packet from `own` to `peer` to the front of `room`, checksums in place. Return its size;
/// 0: it does not fit.
size_t write_tcp(std::span<uint8_t> room, const CheckEnds& ends, const TcpSegment& segment);
size_t write_udp(std::span<uint8_t> room, const CheckEnds& ends, std::span<const uint8_t> payload);

/// What a bare IP packet carries; nothing where it is not one from `peer` to `own`, or is not whole.
/// Checksums have been verified where it was received. The payload lies in `ip`.
std::optional<TcpSegment> read_tcp(std::span<const uint8_t> ip, const CheckEnds& ends);
std::optional<std::span<const uint8_t>> read_udp(std::span<const uint8_t> ip, const CheckEnds& ends);

/// The destination port of a bare TCP or UDP packet; nothing where it has none.
std::optional<uint16_t> destination_port_of(std::span<const uint8_t> ip);

}  // namespace sluice::ctrl
