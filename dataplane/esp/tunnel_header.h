// The outer headers of an ESP tunnel (RFC 4301, 5.1.2), and what they say to the inner packet at its other
// end (RFC 6040). Pure functions on bytes; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/address.h"
#include "common/headers.h"

namespace sluice::dataplane {

/// What the outer header takes over from the inner packet.
struct InnerFacts {
  uint8_t traffic_class;  ///< DSCP 6 | ECN 2
  bool dont_fragment;     ///< nobody on the way may: said by IPv4's sender, always so for IPv6
};
InnerFacts inner_facts(const uint8_t* ip, bool is_v4);

/// Whole but for what each packet decides: IP, and UDP where it is asked for.
class TunnelHeader {
 public:
  static constexpr size_t kMostBytes = sizeof(Ipv6Header) + sizeof(UdpHeader);

  TunnelHeader() = default;
  /// `local` and `remote` are of one family.
  TunnelHeader(const IpAddress& local, const IpAddress& remote, bool has_udp);

  size_t bytes() const { return bytes_; }
  bool is_v4() const { return is_v4_; }
  /// Writes it in front of the `esp_bytes` bytes of ESP at `esp`, which are finished. Returns where it
  /// begins. The UDP checksum is 0 over IPv4 (RFC 3948, 2.1), and made over IPv6. `id` tells fragments of
  /// IPv4 packets apart, where these may be fragmented (RFC 6864, 4.1): it does not come again soon.
  uint8_t* write(uint8_t* esp, size_t esp_bytes, InnerFacts inner, uint16_t id) const;

 private:
  void write_v4(uint8_t* front, size_t total, InnerFacts inner, uint16_t id) const;
  void write_v6(uint8_t* front, size_t total, InnerFacts inner) const;
  void write_udp(uint8_t* front, uint8_t* esp, size_t esp_bytes) const;

  std::array<uint8_t, kMostBytes> header_{};
  uint16_t sum_ = 0;  ///< over IPv4: of all header fields that no packet decides, as the network has them
  uint8_t bytes_ = 0;
  bool is_v4_ = false;
  bool has_udp_ = false;
};

/// The ECN field of an inner packet after an outer header with that one was taken off; nothing: the packet is
/// to be dropped, for it cannot say that there was congestion (RFC 6040, 4.2).
std::optional<uint8_t> ecn_after(uint8_t inner, uint8_t outer);

/// Gives the packet at `ip` another ECN field, and its IPv4 header the checksum for it.
void set_ecn(uint8_t* ip, bool is_v4, uint8_t ecn);

}  // namespace sluice::dataplane
