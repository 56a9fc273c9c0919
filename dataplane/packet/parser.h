// From a frame's bytes to PacketMeta, or to the reason for dropping it. Pure: reads the bytes given and
// nothing else, keeps nothing. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "common/bytes.h"
#include "common/flow_key.h"
#include "dataplane/base/drop_reason.h"
#include "dataplane/base/packet.h"
#include "dataplane/tables/tables.h"

namespace sluice::dataplane {

/// What the device says of a checksum.
enum class ChecksumState : uint8_t { kUnknown, kGood, kBad };

struct DeviceChecksums {
  ChecksumState ip = ChecksumState::kUnknown;
  ChecksumState l4 = ChecksumState::kUnknown;
};

inline constexpr unsigned kMaxExtensionHeaders = 8;
inline constexpr unsigned kMaxExtensionBytes = 256;
/// VLAN tags with id 0, which state a priority and no VLAN (IEEE 802.1Q, 6.9.1 and 9.6): they count as none,
/// on whichever side of the port's own tags they are.
inline constexpr unsigned kMaxPriorityTags = 2;

/// Fills `meta` from a whole frame that came in at `port`, or says why the frame must be dropped; `meta` is
/// then undefined. in_port and flow_hash are zeroed, to be set by the caller. Verifies every checksum that
/// the device did not.
///
/// Whatever it accepts is safe to rewrite by the offsets in `meta`: the frame holds l3_offset + ip_bytes
/// bytes, a complete layer-4 header lies at l4_offset, and an ICMP error's quote holds what parse_quote()
/// found. IPv6 packets with IPv4-mapped addresses are refused, so that an IpAddress tells the family of
/// the packet that it came from. But for neighbor discovery, every packet was sent to this station alone, by
/// an address that one host may have: it may be answered.
DropReason parse(std::span<const uint8_t> frame, const PortView& port, DeviceChecksums device,
                 PacketMeta& meta);

/// The same for a packet that a tunnel brought: its IP header is at `l3_offset` of what stands for its frame.
/// Keeps in_port.
DropReason parse_inner(std::span<const uint8_t> frame, size_t l3_offset, bool is_v4, PacketMeta& meta);

/// Whether parse() has left a packet open that only ESP may be: a datagram to its UDP port, wrong as such:
/// over IPv6 without a checksum (RFC 8200 8.1), over IPv4 with a wrong one, or of another length.
inline bool is_left_to_esp(const PacketMeta& meta) {
  return meta.kind == PacketKind::kOther && meta.key.protocol == IpProtocol::kUdp;
}
/// Why such a datagram, from its UDP header on, is dropped where it is not ESP's.
DropReason refusal_unless_esp(std::span<const uint8_t> datagram);

/// Whether an address cannot be a sender's: RFC 1812, 5.3.7, and RFC 4291, 2.5 and 2.7. Whatever answered it
/// would answer to many, to nobody or to itself.
inline bool is_martian(Be32 source) {
  const uint8_t first = load<uint8_t>(&source);
  return first - 1u >= 223u || first == 127;  // 0/8, and 224/3: multicast, reserved, broadcast
}
inline bool is_martian(const std::array<uint8_t, 16>& source) {
  constexpr uint64_t kLoopback = uint64_t{1} << 56;  // read little-endian
  const bool unspecified_or_loopback =
      load<uint64_t>(source.data()) == 0 && (load<uint64_t>(source.data() + 8) & ~kLoopback) == 0;
  return source[0] == 0xff || unspecified_or_loopback;
}
inline bool is_martian(const IpAddress& source) {
  return source.is_v4() ? is_martian(source.as_v4()) : is_martian(source.bytes());
}

/// The packet that an ICMP error quotes.
struct Quote {
  enum class Status : uint8_t {
    kFlow,      ///< TCP or UDP, with both ports there
    kOther,     ///< another protocol, or not the first fragment
    kMalformed  ///< cut before its ports, or not IP
  };
  Status status = Status::kMalformed;
  FlowKey key = {};        ///< for kFlow: the quoted packet's own
  uint16_t l4_offset = 0;  ///< for kFlow: from the start of the quote; at least 8 bytes are there
};

/// Reads a quote, which may be cut anywhere behind the first eight layer-4 bytes (RFC 792, RFC 4443 2.4).
/// `is_v4`: by the family of the ICMP message.
Quote parse_quote(std::span<const uint8_t> quote, bool is_v4);

}  // namespace sluice::dataplane
