// The members of a pool: the backends that its file and its source name, before health and operators have a
// say. Values; any thread may read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/address.h"
#include "ctrl/intent/shared_map.h"

namespace sluice::ctrl {

struct HostPort {
  IpAddress address;
  uint16_t port = 0;  ///< in host order; 0 keeps the packet's
  auto operator<=>(const HostPort&) const = default;
};

/// What whoever names a member wants of it.
enum class Offer : uint8_t {
  kTakesFlows,
  kDrains,
  kWithdrawn,  ///< nobody names it any more; it drains until its last flow has ended
};

struct Member {
  HostPort at;
  uint32_t weight = 1;        ///< as it is named
  uint32_t table_weight = 1;  ///< what counts in tables: differs from `weight` where the source gives shares
  Offer offer = Offer::kTakesFlows;
  bool is_from_file = true;  ///< the file beats the source
  bool operator==(const Member&) const = default;
};

/// No endpoint twice: the file's in its order, then the source's in order of endpoint.
struct MemberList {
  std::vector<Member> members;
  /// How many are listed in the file or offered by the source: what the size of tables follows.
  size_t present = 0;
  bool operator==(const MemberList&) const = default;
};

/// By name of pool.
using MemberLists = SharedMap<MemberList>;

}  // namespace sluice::ctrl
