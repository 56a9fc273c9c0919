// The plain packets of a burst: whole TCP segments and UDP datagrams of a flow in full swing, over IPv4
// without options or IPv6 without extension headers, addressed to the port's own MAC address and right in
// every checksum. They are by far the most, and are found eight at a time, a lane for each, by what
// parser.cpp says of all; any doubt makes a packet not plain. Pure; any thread.
#pragma once

#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "common/headers.h"
#include "dataplane/packet/packet_lanes.h"
#include "dataplane/tables/tables.h"
#include "lb/flow_hash.h"

namespace sluice::dataplane {

/// The Ethernet header, with VLAN tags, of IP packets for a port's own address, to be compared at once.
class PlainLink {
 public:
  explicit PlainLink(const PortView& port);

  size_t bytes() const { return bytes_; }
  /// Whether what lies in front of `ip` says that this is IPv6.
  static bool says_v6(const uint8_t* ip) {
    return load<Be16>(ip - sizeof(Be16)) == Be16::from_host(ether_type::kIpv6);
  }
  /// Whether frames have it, all `count` of them, in front of packets of that family. `ip`: where these are.
  template <bool is_v4>
  [[gnu::always_inline]] bool matches(uint8_t* const* ip, size_t count) const {
    __m256i differs = _mm256_setzero_si256();
    for (size_t i = 0; i < count; ++i) {
      const __m256i frame = load<__m256i>(ip[i] - bytes_);
      differs = _mm256_or_si256(differs, _mm256_xor_si256(frame, is_v4 ? wanted_v4_ : wanted_v6_));
    }
    return _mm256_testz_si256(differs, compared_) != 0;
  }

 private:
  __m256i wanted_v4_, wanted_v6_, compared_;
  size_t bytes_;
};

/// Fetching and looking are steps of their own, for kLanes frames each, or as many as there are: so that what
/// one step has fetched may arrive while others do their work.
class PlainPackets {
 public:
  static constexpr size_t kMost = 64;         ///< frames
  static constexpr size_t kLanes = 8;         ///< packets that are looked at together
  static constexpr size_t kRoomInFront = 70;  ///< bytes of a plain packet's buffer, for other headers

  /// Frames that `port` has received, 1 to kMost, none of which is looked at yet. They outlive this.
  PlainPackets(std::span<rte_mbuf* const> frames, const PortView& port)
      : frames_(frames), link_(port), usual_(*frames[0], link_) {}
  /// The same, and looks at them all.
  PlainPackets(std::span<rte_mbuf* const> frames, const PortView& port, const lb::FlowHash& hash);

  /// How large a link header each has.
  size_t link_bytes() const { return link_.bytes(); }
  /// Fetches the headers of the frames from number `first` on.
  void fetch(size_t first);
  /// Looks at the frames from number `first` on, which are being fetched: what is said below holds for them
  /// from now on. The last ones may be fewer than kLanes: free lanes look at an empty packet.
  void look_at(size_t first, const lb::FlowHash& hash);

  /// Whether frame i is plain. Its TTL is above 1, it does not begin, end or reset a connection; its source
  /// may be a martian still.
  bool is_plain(size_t i) const { return (plain_ >> i & 1) != 0; }
  /// Whether it is plain, or would be if it did not begin, end or reset a connection.
  bool is_sound(size_t i) const { return (sound_[i / kLanes] >> i % kLanes & 1) != 0; }
  /// Whether all of kLanes from number `first` on are.
  bool are_plain(size_t first) const { return (plain_ >> first & 0xff) == 0xff; }
  /// Whether of kLanes from number `first` on none looks like IPv6, or all of them.
  bool are_v4(size_t first) const { return (v6_ >> first & 0xff) == 0; }
  bool are_v6(size_t first) const { return (v6_ >> first & 0xff) == 0xff; }
  /// Of which family it is, its IP header and its size without padding, if it is sound.
  bool is_v4(size_t i) const { return (v6_ >> i & 1) == 0; }
  uint8_t* ip(size_t i) const { return ip_[i]; }
  uint32_t ip_bytes(size_t i) const { return ip_bytes_[i]; }
  /// The same of all packets from number `first` on.
  uint8_t* const* ips(size_t first) const { return &ip_[first]; }
  const uint32_t* all_ip_bytes(size_t first) const { return &ip_bytes_[first]; }
  /// How large frames are, from number `first` on.
  const uint32_t* all_frame_bytes(size_t first) const { return &frame_bytes_[first]; }
  /// Of kLanes plain packets of one family from number `first` on: the first word of the header, which has
  /// the traffic class; the third one of IPv4, which has its checksum; the word that has the checksum of
  /// layer 4, which is the fifth of TCP and the second of UDP; and a bit for each that is of UDP.
  Lanes first_words(size_t first) const { return load<Lanes>(&first_words_[first]); }
  Lanes header_words(size_t first) const { return load<Lanes>(&header_words_[first]); }
  Lanes layer_4_words(size_t first) const { return load<Lanes>(&layer_4_words_[first]); }
  uint32_t of_udp(size_t first) const { return static_cast<uint32_t>(udp_ >> first & 0xff); }
  /// Whether any of kLanes plain packets from number `first` on has padding behind it.
  bool are_padded(size_t first) const { return (exact_ >> first & 0xff) != 0xff; }
  /// What FlowHash makes of its key, and of that of many a packet that is not sound.
  uint64_t hash(size_t i) const { return hashes_[i]; }
  /// The same of kLanes from number `first` on; those of frames that there are not are of no key.
  using EightHashes = std::span<uint64_t, kLanes>;
  std::span<const uint64_t, kLanes> hashes(size_t first) const {
    return std::span<const uint64_t, kLanes>(hashes_.data() + first, kLanes);
  }
  /// Whether the packet may be of any flow: IPv6 with extension headers, which hide the key from its lane.
  bool hides_key(size_t i) const { return (hidden_ >> i & 1) != 0; }
  /// A bit for the 64th part of all hashes that its key's hash lies in; all bits where its key is hidden.
  uint64_t parts_of(size_t i) const { return hides_key(i) ? UINT64_MAX : uint64_t{1} << (hash(i) >> 58); }

 private:
  /// How much of a packet its lane reads.
  static constexpr size_t lane_bytes(bool is_v4) { return is_v4 ? 48 : 64; }
  /// What all of kLanes frames may be, by what is known of their buffers.
  enum class Families : uint8_t { kV4Only, kV4OrV6, kUnlike };

  /// What of its buffer decides whether a frame may be plain at all, before a byte of it is read. Nearly all
  /// frames of a burst are of one kind.
  class Kind {
   public:
    Kind(const rte_mbuf& frame, const PlainLink& link);

    /// Whether all of kLanes frames are of this kind. Stores how large they are.
    bool are_all(rte_mbuf* const* frames, uint32_t* frame_bytes) const;

    size_t ip_offset;  ///< in the buffer
    bool may_be_v4, may_be_v6;
    uint32_t verified;  ///< all ones: the device has found the checksums right

   private:
    __m128i fields_;
    uint32_t buffer_word_;
  };
  size_t count_from(size_t first) const { return std::min(kLanes, frames_.size() - first); }
  EightHashes hashes_from(size_t first) { return EightHashes(hashes_.data() + first, kLanes); }
  void fetch_eight(rte_mbuf* const* frames, size_t first);
  void fetch_unusual(rte_mbuf* const* frames, size_t first);
  void fetch_last(size_t first, size_t count);
  bool fetch_usual(rte_mbuf* const* frames, size_t first);
  void find(const rte_mbuf& frame, size_t i);
  void find_each(size_t first, size_t count);
  void look_at_eight_v6(size_t first, const lb::FlowHash& hash);
  void look_at_others(size_t first, size_t count, const lb::FlowHash& hash);
  struct Sizes {
    Verdicts too_large;  ///< the packet ends behind its frame
    Lanes rest;          ///< sum over what no lane reads
  };
  template <uint32_t kLane>
  Sizes note_sizes(size_t first, Lanes total);
  Lanes sum_rests(size_t first, uint32_t longer, size_t lane) const;
  uint32_t note_sound(size_t first, Verdicts sound, Verdicts turning);
  Lanes sum_short_rests(size_t first, size_t lane) const;
  void look_at_mixed(size_t first, uint32_t v6, const lb::FlowHash& hash);
  uint32_t look_at_v4(uint8_t* const* ip, size_t first, const lb::FlowHash& hash, EightHashes hashes);
  uint32_t look_at_v6(uint8_t* const* ip, size_t first, const lb::FlowHash& hash, EightHashes hashes);

  std::span<rte_mbuf* const> frames_;
  const PlainLink link_;  ///< made here: a copy would wait for what has just been stored
  Kind usual_;            ///< of the frames that are fetched
  uint64_t plain_ = 0;
  std::array<uint8_t, kMost / kLanes> sound_{};
  uint64_t v6_ = 0;
  uint64_t hidden_ = 0;
  uint64_t exact_ = 0;  ///< without padding
  uint64_t udp_ = 0;    ///< tells of plain packets
  std::array<Families, kMost / kLanes> families_;
  std::array<uint8_t*, kMost> ip_;
  std::array<uint32_t, kMost> frame_bytes_;  ///< with the link header
  std::array<uint32_t, kMost> ip_bytes_;
  std::array<uint32_t, kMost> verified_;  ///< all ones: the device has found the checksums right
  std::array<uint64_t, kMost> hashes_;
  std::array<uint32_t, kMost> first_words_, header_words_, layer_4_words_;
};

}  // namespace sluice::dataplane
