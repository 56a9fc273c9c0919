// What the packets of a service's flows to one backend have in common on their way out, worked out once and
// kept: how they are forwarded, by which port, under which Ethernet header (docs/decisions/0012). One
// worker's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/forward/path_rewrite.h"
#include "dataplane/packet/packet_lanes.h"
#include "lb/backend.h"
#include "lb/service.h"
#include "lb/view.h"

namespace sluice::dataplane {

/// Two cache lines; packets without an outer header need the first. All-zero bytes are a path of no flow,
/// since no version of Neighbors is 0.
struct alignas(64) KnownPath {
  lb::ServiceId service;
  lb::BackendId backend;
  uint32_t version;              ///< Neighbors::version() when it was worked out; 0: there is no path
  uint32_t idle_timeout_ms;      ///< of an established flow
  lb::TargetCounters* counters;  ///< the backend's, of the worker
  PathRewrite rewrite;
};
static_assert(sizeof(KnownPath) == 128);
static_assert(offsetof(KnownPath, rewrite) + offsetof(PathRewrite, outer) <= 64);

/// A direct-mapped cache: a new path replaces the one that is kept at its place.
class KnownPaths {
 public:
  static constexpr uint32_t kPlaces = 4096;

  /// `places`: kPlaces of them, zeroed, outliving this.
  explicit KnownPaths(std::span<KnownPath> places) : places_(places) {}

  /// The place of the path of a service and a backend, whether or not it is kept.
  static uint32_t place_of(lb::ServiceId service, lb::BackendId backend) {
    // Backends of one pool, whose ids mostly follow each other, lie side by side, in few pages of memory.
    return (backend + service * kSpread) & (kPlaces - 1);
  }
  /// place_of() for eight pairs.
  [[gnu::always_inline]] static Lanes places_of(Lanes services, Lanes backends) {
    return (backends + services * lanes_of<kSpread>)&lanes_of<kPlaces - 1>;
  }
  /// What is kept at a place: the path of any service and backend, or none.
  const KnownPath& at(size_t place) const { return places_[place]; }
  /// The path of a service's flows to a backend, or null where none is known for that version.
  const KnownPath* find(lb::ServiceId service, lb::BackendId backend, uint32_t version) const {
    const uint64_t target = both(service, backend);
    const KnownPath& path = places_[place_of(service, backend)];
    return both(path.service, path.backend) == target && path.version == version ? &path : nullptr;
  }
  /// Keeps a path, so that find() returns it.
  void keep(const KnownPath& path) { places_[place_of(path.service, path.backend)] = path; }

 private:
  static constexpr uint32_t kSpread = 0x9e3779b1;

  /// Both ids in one word, so that one comparison does for both.
  static uint64_t both(lb::ServiceId service, lb::BackendId backend) {
    return uint64_t{backend} << 32 | service;
  }

  std::span<KnownPath> places_;
};

}  // namespace sluice::dataplane
