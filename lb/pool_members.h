// The backends that a pool lists, whatever their state or weight, by address: tells whether a flow's backend
// is in the pool that its service has now. Immutable; any thread reads.
#pragma once

#include <span>
#include <vector>

#include "lb/backend.h"

namespace sluice::lb {

class PoolMembers {
 public:
  struct Member {
    IpAddress address;
    Be16 port;  ///< 0 keeps the packet's
    BackendId id = kNoBackend;
    bool operator==(const Member&) const = default;
  };

  /// In any order.
  explicit PoolMembers(std::vector<Member> members);

  /// Those that have that address, in order of port.
  std::span<const Member> at(const IpAddress& address) const;
  std::span<const Member> all() const { return members_; }

 private:
  std::vector<Member> members_;  ///< sorted by address and port
};

}  // namespace sluice::lb
