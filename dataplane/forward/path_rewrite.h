// What the packets of a service's flows to one backend have in common: the treatment that the service's
// forwarding mode comes to, and the way out. Each mode's file makes one.
// Plain values; any thread.
#pragma once

#include <array>
#include <cstdint>

#include "common/address.h"
#include "common/bytes.h"
#include "common/headers.h"
#include "dataplane/base/stage_mask.h"
#include "dataplane/forward/outer_header.h"
#include "lb/backend.h"

namespace sluice::dataplane {

enum class Treatment : uint8_t {
  kTranslate,  ///< it gets its flow's other addresses and ports, and loses a hop
  kKeep,       ///< it is left as it is
  // The same behind an outer header:
  kBehindIpv4,
  kBehindIpv4Udp,
  kBehindIpv6,
  kBehindIpv6Udp,
};
/// Which puts packets behind that outer header.
constexpr Treatment treatment_by(const OuterHeader& outer) {
  if (outer.is_v4) return outer.has_udp ? Treatment::kBehindIpv4Udp : Treatment::kBehindIpv4;
  return outer.has_udp ? Treatment::kBehindIpv6Udp : Treatment::kBehindIpv6;
}

/// The way out: the port, and the Ethernet header with VLAN tags that frames to the next hop have.
struct LinkHeader {
  static constexpr size_t kMostBytes = sizeof(EthernetHeader) + 2 * sizeof(VlanHeader);

  uint8_t port = 0;
  uint8_t bytes = 0;
  std::array<uint8_t, kMostBytes> header{};

  /// Writes its bytes, and no others: in front of them another cache line may begin.
  void write(uint8_t* at) const { write(at, bytes); }
  /// The same where it is known how many they are.
  void write(uint8_t* at, size_t size) const {
    const auto copy_word = [&](size_t from) { store(at + from, load<uint64_t>(header.data() + from)); };
    copy_word(0);
    if (size > sizeof(EthernetHeader)) copy_word(8);
    copy_word(size - sizeof(uint64_t));
  }
};

struct PathRewrite {
  Treatment treatment = Treatment::kKeep;
  StageMask stages = 0;        ///< of known paths alone: what their packets must see
  uint16_t most_ip_bytes = 0;  ///< of known paths alone: a larger packet does not fit the port, once treated
  LinkHeader link{};           ///< of known paths alone
  OuterHeader outer{};         ///< its size is 0 where packets get none

  static PathRewrite behind(const OuterHeader& outer) {
    return {.treatment = treatment_by(outer), .outer = outer};
  }
};
/// What a mode goes by.
struct PathEnds {
  const lb::Backend& backend;
  const Encapsulation& encapsulation;
  bool is_v4;  ///< the service's family
};

}  // namespace sluice::dataplane
