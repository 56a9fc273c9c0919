// The ESP tunnels as packets meet them: one immutable part of Tables. What changes in use lies in the objects
// that it refers to.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/address.h"
#include "dataplane/esp/security_association.h"
#include "dataplane/esp/tunnel_header.h"
#include "dataplane/esp/tunnel_state.h"
#include "dataplane/tables/route_table.h"

namespace sluice::dataplane {

struct Tunnel {
  IpAddress local;
  IpAddress remote;
  bool is_udp = false;
  bool has_way = false;  ///< to `remote`: then by `port` to `next_hop`
  uint16_t port = 0;
  IpAddress next_hop;
  uint16_t mtu = 0;  ///< of `port`: what a packet of the tunnel's own may measure
  TunnelHeader header;
  bool lacks_storage = false;             ///< nothing can be sent, for sequence numbers cannot be kept
  std::shared_ptr<const OutboundSa> out;  ///< null: nothing can be sent
  std::shared_ptr<TunnelState> state;
};

/// An inbound association and the place of its tunnel.
struct InboundEntry {
  uint16_t tunnel = 0;
  std::shared_ptr<const InboundSa> sa;
};

/// A place is that in tunnels(); Egress, NextHop and PacketMeta have 1 + it, and 0 for none.
class TunnelTables {
 public:
  /// `networks`: Route::port is a place. At most one inbound association of an SPI.
  TunnelTables(std::vector<Tunnel> tunnels, std::vector<InboundEntry> inbound,
               std::span<const Route> networks);

  const std::vector<Tunnel>& tunnels() const { return tunnels_; }
  /// 1 + the place of the tunnel that an address is reached by; 0: none.
  uint16_t leading_to(const IpAddress& address) const {
    if (!may_lead_to(address)) [[likely]]
      return 0;
    const Route* const route = networks_->find(address);
    return route == nullptr ? uint16_t{0} : static_cast<uint16_t>(route->port + 1);
  }
  /// False for most addresses that no tunnel leads to, at once.
  bool may_lead_to(const IpAddress& address) const {
    const uint8_t* const bytes = address.bytes().data();
    return address.is_v4() ? may_lead_to_v4(bytes + 12) : may_lead_to_v6(bytes);
  }
  /// By the first bytes of an address, as a packet has it.
  bool may_lead_to_v4(const uint8_t* address) const { return is_marked(v4_, address); }
  bool may_lead_to_v6(const uint8_t* address) const { return is_marked(v6_, address); }
  /// The association of an SPI, or null.
  const InboundEntry* inbound(Be32 spi) const {
    if (inbound_.empty()) return nullptr;
    for (size_t slot = slot_of(spi);; slot = (slot + 1) & (inbound_.size() - 1)) {
      const InboundEntry& entry = inbound_[slot];
      if (entry.sa == nullptr) return nullptr;  // at most half full
      if (entry.sa->spi == spi) return &entry;
    }
  }
  /// 1 + the place of a tunnel between those addresses, one in UDP if that is asked for and there is any; 0:
  /// none.
  uint16_t between(const IpAddress& local, const IpAddress& remote, bool is_udp) const;

 private:
  /// A bit for each value of an address's first two bytes.
  using Marks = std::array<uint64_t, 65536 / 64>;
  static bool is_marked(const Marks& marks, const uint8_t* address) {
    const size_t first = size_t{address[0]} << 8 | address[1];
    return (marks[first / 64] >> first % 64 & 1) != 0;
  }
  void mark(const Prefix& prefix);
  size_t slot_of(Be32 spi) const { return spi.network() * 0x9e3779b1u >> 7 & (inbound_.size() - 1); }

  Marks v4_{};
  Marks v6_{};
  std::vector<Tunnel> tunnels_;
  std::vector<InboundEntry> inbound_;  ///< open addressing with linear probing
  std::unique_ptr<const RouteTable> networks_;
  std::vector<uint16_t> by_ends_;  ///< places, ordered by the tunnels' ends
};

}  // namespace sluice::dataplane
