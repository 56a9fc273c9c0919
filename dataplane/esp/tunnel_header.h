// The outer headers of an ESP tunnel (RFC 4301, 5.1.2), and what they say to the inner packet at its other
// end (RFC 6040). Pure functions on bytes; any thread.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/address.h"
#include "common/checksum.h"
#include "common/headers.h"
#include "dataplane/esp/esp_format.h"

namespace sluice::dataplane {

/// What the outer header takes over from the inner packet.
struct InnerFacts {
  uint8_t traffic_class;  ///< DSCP 6 | ECN 2
  bool dont_fragment;     ///< IPv4's DF; true for IPv6, which no router fragments
};
inline InnerFacts inner_facts(const uint8_t* ip, bool is_v4) {
  if (!is_v4) return {reinterpret_cast<const Ipv6Header*>(ip)->traffic_class(), true};
  const auto& header = *reinterpret_cast<const Ipv4Header*>(ip);
  return {header.tos, header.dont_fragment()};
}

/// The outer headers of a tunnel, IP and perhaps UDP, with every field that is the same for all of its
/// packets.
class TunnelHeader {
 public:
  static constexpr size_t kMostBytes = sizeof(Ipv6Header) + sizeof(UdpHeader);

  TunnelHeader() = default;
  /// `local` and `remote` are of one family.
  TunnelHeader(const IpAddress& local, const IpAddress& remote, bool has_udp);

  size_t bytes() const { return bytes_; }
  bool is_v4() const { return is_v4_; }

 private:
  friend class TunnelFront;

  std::array<uint8_t, kMostBytes> header_{};
  uint16_t sum_ = 0;  ///< IPv4: the checksum's sum over `header_`, to which packets' own fields are added
  uint8_t bytes_ = 0;
  bool is_v4_ = false;
  bool has_udp_ = false;
};

/// All headers in front of the packets that a tunnel takes: a link header, the tunnel's own headers and
/// ESP's. It is made once for packets that leave together, and has no pointers, so that a loop over these can
/// keep it in registers.
class TunnelFront {
 public:
  static constexpr size_t kMostLinkBytes = sizeof(EthernetHeader) + 2 * sizeof(VlanHeader);

  /// `link`: kMostLinkBytes at most.
  TunnelFront(const TunnelHeader& header, Be32 spi, std::span<const uint8_t> link);

  size_t bytes() const { return bytes_; }
  /// Writes the headers in front of the packet at `ip`. `esp_bytes`: the size from the ESP header to the end
  /// of the ICV. `number`: the packet's sequence number. It is also the IV, since no number is used twice
  /// with one key (RFC 4106, 3.1), and its lower half is the IPv4 identification of packets that may be
  /// fragmented (RFC 6864, 4.1). The UDP checksum is 0 over IPv4 (RFC 3948, 2.1).
  void write(uint8_t* ip, size_t esp_bytes, uint64_t number) const;
  /// Once the packet is encrypted: writes the UDP checksum, which IPv6 needs and IPv4 does not.
  void finish(uint8_t* ip, size_t esp_bytes) const {
    if (has_udp_ && !is_v4_) [[unlikely]]
      write_udp_checksum(ip, esp_bytes);
  }

 private:
  void write_v4(uint8_t* outer, size_t total, InnerFacts inner, uint16_t id) const;
  void write_v6(uint8_t* outer, size_t total, InnerFacts inner) const;
  void write_udp_checksum(uint8_t* ip, size_t esp_bytes) const;

  __m256i first_, second_, last_;  ///< the headers' first, next and last 32 bytes, which may overlap
  size_t bytes_;
  size_t outer_bytes_;
  uint64_t sum_;
  bool is_v4_, has_udp_;
};

[[gnu::always_inline]] inline void TunnelFront::write(uint8_t* ip, size_t esp_bytes, uint64_t number) const {
  const InnerFacts inner = inner_facts(ip, ip[0] >> 4 == 4);
  uint8_t* const front = ip - bytes_;
  store(front, first_);
  if (bytes_ > 2 * sizeof(__m256i)) store(front + sizeof(__m256i), second_);
  store(ip - sizeof(__m256i), last_);
  uint8_t* const esp = ip - sizeof(EspHeader);
  store(esp + offsetof(EspHeader, sequence), Be32::from_host(static_cast<uint32_t>(number)));
  store(esp + offsetof(EspHeader, iv), Be64::from_host(number));
  uint8_t* const outer = esp - outer_bytes_;
  const size_t total = outer_bytes_ + esp_bytes;
  if (is_v4_) {
    write_v4(outer, total, inner, static_cast<uint16_t>(number));
  } else {
    write_v6(outer, total, inner);
  }
  if (has_udp_) {
    store(esp - sizeof(UdpHeader) + offsetof(UdpHeader, length),
          Be16::from_host(static_cast<uint16_t>(sizeof(UdpHeader) + esp_bytes)));
  }
}

[[gnu::always_inline]] inline void TunnelFront::write_v4(uint8_t* outer, size_t total, InnerFacts inner,
                                                         uint16_t id) const {
  // Swapped as a word: GCC swaps halves by way of memory where there is MOVBE.
  const uint32_t length = Be32::from_host(static_cast<uint32_t>(total)).network() >> 16;
  const uint16_t fragment = Be16::from_host(inner.dont_fragment ? Ipv4Header::kDontFragment : 0).network();
  const uint16_t identification = Be16::from_host(inner.dont_fragment ? 0 : id).network();
  // All four fields at once, and the sum of the values: loading back what has just been stored by the field
  // would wait for the store buffer.
  store(outer, uint64_t{0x45} | uint64_t{inner.traffic_class} << 8 | uint64_t{length} << 16 |
                   uint64_t{identification} << 32 | uint64_t{fragment} << 48);
  const uint64_t sum = sum_ + (uint32_t{inner.traffic_class} << 8) + length + identification + fragment;
  store(outer + offsetof(Ipv4Header, checksum), checksum_finish(sum));
}

[[gnu::always_inline]] inline void TunnelFront::write_v6(uint8_t* outer, size_t total,
                                                         InnerFacts inner) const {
  store(outer, Be32::from_host(6u << 28 | uint32_t{inner.traffic_class} << 20));
  store(outer + offsetof(Ipv6Header, payload_length),
        Be16::from_host(static_cast<uint16_t>(total - sizeof(Ipv6Header))));
}

/// The ECN field of an inner packet once its outer header, which had the ECN field `outer`, is taken off.
/// Nothing: the packet is to be dropped, since its own field cannot tell of congestion (RFC 6040, 4.2).
std::optional<uint8_t> ecn_after(uint8_t inner, uint8_t outer);

/// Gives the packet at `ip` another ECN field, and its IPv4 header the checksum for it.
void set_ecn(uint8_t* ip, bool is_v4, uint8_t ecn);

}  // namespace sluice::dataplane
