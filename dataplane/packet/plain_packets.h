// The plain packets of a burst: whole TCP segments and UDP datagrams of a flow in full swing, over IPv4
// without options, addressed to the port's own MAC address and right in every checksum. They are by far the
// most, and are found eight at a time, a lane for each, by what parser.cpp says of all; any doubt makes a
// packet not plain. Pure; any thread.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/tables/tables.h"
#include "lb/flow_hash.h"

namespace sluice::dataplane {

/// The Ethernet header, with VLAN tags, of IPv4 packets for a port's own address, to be compared at once.
class PlainLink {
 public:
  static constexpr size_t kCompared = 32;  ///< bytes that matches() reads

  explicit PlainLink(const PortView& port);

  size_t bytes() const { return bytes_; }
  bool matches(const uint8_t* frame) const {
    const __m256i differs = _mm256_xor_si256(load<__m256i>(frame), wanted_);
    return _mm256_testz_si256(differs, compared_) != 0;
  }

 private:
  __m256i wanted_, compared_;
  size_t bytes_;
};

class PlainPackets {
 public:
  static constexpr size_t kMost = 32;  ///< frames

  /// Looks at received frames, at most kMost. They may be fewer than a lane each costs: it is the same work.
  PlainPackets(std::span<rte_mbuf* const> frames, const PlainLink& link, const lb::FlowHash& hash);

  /// Whether frame i is plain. Its TTL is above 1, it does not begin, end or reset a connection; its source
  /// may be a martian still.
  bool is_plain(size_t i) const { return (plain_ >> i & 1) != 0; }
  /// The IP header of frame i, if that is plain.
  uint8_t* ip(size_t i) const { return ip_[i]; }
  /// What FlowHash makes of its key, and of that of many a packet that is not plain.
  uint64_t hash(size_t i) const { return hashes_[i]; }

 private:
  static constexpr size_t kLanes = 8;
  static constexpr size_t kLaneBytes = 48;  ///< of a packet that its lane reads
  void find(const rte_mbuf& frame, size_t i, const PlainLink& link);
  uint32_t look_at_eight(size_t first, const lb::FlowHash& hash);

  uint32_t plain_ = 0;
  std::array<uint8_t*, kMost> ip_;
  std::array<uint32_t, kMost> rest_;      ///< sum over the bytes behind the first kLaneBytes
  std::array<uint32_t, kMost> verified_;  ///< all ones: the device has found the checksums right
  std::array<uint64_t, kMost> hashes_;
};

}  // namespace sluice::dataplane
