// What the packets of a service's flows to one backend have in common on their way out, worked out once and
// kept: how they are forwarded, by which port, under which Ethernet header (docs/decisions/0012). One
// worker's.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "common/address.h"
#include "lb/backend.h"
#include "lb/service.h"

namespace sluice::dataplane {

/// One cache line. All-zero bytes are a valid path of nobody.
struct alignas(64) KnownPath {
  static constexpr size_t kLinkRoom = 24;  ///< two VLAN tags, and two bytes more

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
  std::array<uint8_t, kLinkRoom> link;  ///< the Ethernet header with its VLAN tags, at the end
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
    const KnownPath& path = places_[place_of(service, backend)];
    const bool is_it = path.service == service && path.backend == backend && path.version == version;
    return is_it ? &path : nullptr;
  }
  /// Keeps a path, in whose place find() will see it.
  void keep(const KnownPath& path) { places_[place_of(path.service, path.backend)] = path; }

 private:
  static size_t place_of(lb::ServiceId service, lb::BackendId backend) {
    return (service * 0x9e3779b1u + backend) % kPlaces;
  }

  std::span<KnownPath> places_;
};

}  // namespace sluice::dataplane
