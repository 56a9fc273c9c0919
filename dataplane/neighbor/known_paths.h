// What the packets of a service's flows to one backend have in common on their way out, worked out once and
// kept: how they are forwarded, by which port, under which Ethernet header (docs/decisions/0012). One
// worker's.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "common/address.h"
#include "common/bytes.h"
#include "common/headers.h"
#include "lb/backend.h"
#include "lb/service.h"

namespace sluice::dataplane {

/// One cache line. All-zero bytes are a valid path of nobody.
struct alignas(64) KnownPath {
  static constexpr size_t kMostLinkBytes = sizeof(EthernetHeader) + 2 * sizeof(VlanHeader);

  lb::ServiceId service;
  lb::BackendId backend;
  uint32_t version;          ///< of Neighbors, for which it was worked out; 0: none
  uint32_t idle_timeout_ms;  ///< of an established flow
  uint16_t port;
  uint16_t most_ip_bytes;  ///< a larger packet does not fit the port, once encapsulated
  lb::ForwardMode forward;
  uint8_t link_bytes;
  Be16 backend_port;  ///< 0 keeps the packet's
  IpAddress backend_address;
  std::array<uint8_t, kMostLinkBytes> link;  ///< the Ethernet header with its VLAN tags

  /// Writes the link_bytes of the link, and no others: in front of them another cache line may begin.
  void write_link(uint8_t* at) const {
    const auto copy_word = [&](size_t from) { store(at + from, load<uint64_t>(link.data() + from)); };
    copy_word(0);
    if (link_bytes > sizeof(EthernetHeader)) copy_word(8);
    copy_word(link_bytes - sizeof(uint64_t));
  }
};
static_assert(sizeof(KnownPath) == 64);

/// A direct-mapped cache: a path gives way to another with the same place.
class KnownPaths {
 public:
  static constexpr size_t kPlaces = 4096;

  /// `places`: kPlaces of them, zeroed, outliving this.
  explicit KnownPaths(std::span<KnownPath> places) : places_(places) {}

  /// The path of a service's flows to a backend, or null where none is known for that version.
  const KnownPath* find(lb::ServiceId service, lb::BackendId backend, uint32_t version) const {
    const uint64_t target = both(service, backend);
    const KnownPath& path = places_[place_of(target)];
    return both(path.service, path.backend) == target && path.version == version ? &path : nullptr;
  }
  /// Fetches the memory that find() will look at.
  void prefetch(lb::ServiceId service, lb::BackendId backend) const {
    __builtin_prefetch(&places_[place_of(both(service, backend))]);
  }
  /// Keeps a path, in whose place find() will see it.
  void keep(const KnownPath& path) { places_[place_of(both(path.service, path.backend))] = path; }

 private:
  /// One word, to be loaded and compared as such.
  static uint64_t both(lb::ServiceId service, lb::BackendId backend) {
    return uint64_t{backend} << 32 | service;
  }
  static size_t place_of(uint64_t target) {
    return target * 0x9e3779b97f4a7c15 >> (64 - std::countr_zero(kPlaces));
  }

  std::span<KnownPath> places_;
};

}  // namespace sluice::dataplane
