#include "lb/pool_members.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace sluice::lb {

PoolMembers::PoolMembers(std::vector<Member> members) : members_(std::move(members)) {
  std::sort(members_.begin(), members_.end(), [](const Member& a, const Member& b) {
    return a.address != b.address ? a.address < b.address : a.port.host() < b.port.host();
  });
}

std::span<const PoolMembers::Member> PoolMembers::at(const IpAddress& address) const {
  const auto found = std::ranges::equal_range(members_, address, std::less{}, &Member::address);
  return {found.begin(), found.end()};
}

}  // namespace sluice::lb
