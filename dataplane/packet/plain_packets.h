// The plain packets of a burst: whole TCP segments and UDP datagrams of a flow in full swing, over IPv4
// without options or IPv6 without extension headers, addressed to the port's own MAC address and right in
// every checksum. They are by far the most, and are found eight at a time, a lane for each, by what
// parser.cpp says of all; any doubt makes a packet not plain. Pure; any thread.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/tables/tables.h"
#include "lb/flow_hash.h"

namespace sluice::dataplane {

/// The Ethernet header, with VLAN tags, of IP packets for a port's own address, to be compared at once.
class PlainLink {
 public:
  static constexpr size_t kCompared = 32;  ///< bytes that matching reads

  explicit PlainLink(const PortView& port);

  size_t bytes() const { return bytes_; }
  /// Whether a frame has it, in front of a packet of that family.
  template <bool is_v4>
  bool matches(const uint8_t* frame) const {
    const __m256i differs = _mm256_xor_si256(load<__m256i>(frame), is_v4 ? wanted_v4_ : wanted_v6_);
    return _mm256_testz_si256(differs, compared_) != 0;
  }

 private:
  __m256i wanted_v4_, wanted_v6_, compared_;
  size_t bytes_;
};

class PlainPackets {
 public:
  static constexpr size_t kMost = 32;         ///< frames
  static constexpr size_t kRoomInFront = 70;  ///< bytes of a plain packet's buffer, for other headers

  /// Looks at received frames, 1 to kMost. They may be fewer than a lane each costs: it is the same work.
  PlainPackets(std::span<rte_mbuf* const> frames, const PlainLink& link, const lb::FlowHash& hash);

  /// Whether frame i is plain. Its TTL is above 1, it does not begin, end or reset a connection; its source
  /// may be a martian still.
  bool is_plain(size_t i) const { return (plain_ >> i & 1) != 0; }
  /// Whether no frame looks like IPv6.
  bool are_all_v4() const { return v6_ == 0; }
  /// Of which family it is, and its IP header, if it is plain.
  bool is_v4(size_t i) const { return (v6_ >> i & 1) == 0; }
  uint8_t* ip(size_t i) const { return ip_[i]; }
  /// What FlowHash makes of its key, and of that of many a packet that is not plain.
  uint64_t hash(size_t i) const { return hashes_[i]; }
  /// Whether the packet may be of any flow: IPv6 with extension headers, which hide the key from its lane.
  bool hides_key(size_t i) const { return (hidden_ >> i & 1) != 0; }

 private:
  static constexpr size_t kLanes = 8;
  using EightHashes = std::span<uint64_t, kLanes>;
  /// How much of a packet its lane reads.
  static constexpr size_t lane_bytes(bool is_v4) { return is_v4 ? 48 : 64; }

  class Kind;
  void find(const rte_mbuf& frame, size_t i, const Kind& kind, const PlainLink& link);
  void find_unusual(const rte_mbuf& frame, size_t i, const PlainLink& link);
  template <bool is_v4>
  void find_as(uint8_t* ip, size_t i, const uint8_t* end, uint32_t verified);
  EightHashes hashes_from(size_t first) { return EightHashes(hashes_.data() + first, kLanes); }
  void look_at_both(size_t frames, const lb::FlowHash& hash);
  void look_at_mixed(size_t first, uint32_t v6, const lb::FlowHash& hash);
  uint32_t look_at_v4(uint8_t* const* ip, size_t first, const lb::FlowHash& hash, EightHashes hashes) const;
  uint32_t look_at_v6(uint8_t* const* ip, size_t first, const lb::FlowHash& hash, EightHashes hashes);

  uint32_t plain_ = 0;
  uint32_t v6_ = 0;
  uint32_t hidden_ = 0;
  std::array<uint8_t*, kMost> ip_;
  std::array<uint32_t, kMost> rest_;      ///< sum over the bytes behind the first lane_bytes()
  std::array<uint32_t, kMost> verified_;  ///< all ones: the device has found the checksums right
  std::array<uint64_t, kMost> hashes_;
};

}  // namespace sluice::dataplane
