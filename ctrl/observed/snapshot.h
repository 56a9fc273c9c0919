// What a source says of one subscription, whole: values that any thread may own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/address.h"
#include "ctrl/observed/offered_service.h"

namespace sluice::ctrl {

inline constexpr uint32_t kGreatestWeight = 65535;  ///< of a backend

/// One entry of a source. An endpoint may come several times; the rules for that are not the source's.
struct Instance {
  IpAddress address;
  std::string name = {};        ///< instead of an address: it is resolved behind the sink, and followed
  uint16_t port = 0;            ///< in host order; 0 is none: sources count such an entry as unreadable
  uint32_t weight = 1;          ///< 0 to kGreatestWeight; 0 takes no new flows
  bool takes_new_flows = true;  ///< false: it drains
  /// Of the flows of the whole subscription, 0 to 1, where the source decides that itself (localities and
  /// priorities of xds). `weight` is shown then, and this counts. All instances of a snapshot have it, or
  /// none.
  std::optional<double> share = {};
  bool operator==(const Instance&) const = default;
};

/// What a source knows of one subscription, all of it.
struct Snapshot {
  std::vector<Instance> instances;
  std::string version;    ///< for people: a revision, a serial, a nonce; may be empty
  size_t unreadable = 0;  ///< entries left out
  /// Which, and why: "services/web/7: no port". At most kMostNamed, each at most 200 bytes, and no secrets.
  std::vector<std::string> unreadable_entries;
  /// Entries in which a list taken for `resync` differed from what the watch had told by then.
  size_t repaired = 0;
  /// Of a subscription to services alone: all that there are. It has no instances.
  OfferedServices services = {};
  static constexpr size_t kMostNamed = 20;
};

/// A source has at most so many instances in one subscription; one that sees more calls lost().
inline constexpr size_t kMostInstances = 200'000;

}  // namespace sluice::ctrl
