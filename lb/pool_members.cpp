#include "lb/pool_members.h"

#include <algorithm>
#include <utility>

namespace sluice::lb {

PoolMembers::PoolMembers(std::vector<Member> members) : members_(std::move(members)) {
  std::sort(members_.begin(), members_.end(), [](const Member& a, const Member& b) {
    return a.address != b.address ? a.address < b.address : a.port.host() < b.port.host();
  });
}

std::span<const PoolMembers::Member> PoolMembers::at(const IpAddress& address) const {
  const auto first =
      std::lower_bound(members_.begin(), members_.end(), address,
                       [](const Member& member, const IpAddress& wanted) { return member.address < wanted; });
  const auto end =
      std::find_if(first, members_.end(), [&](const Member& member) { return member.address != address; });
  return std::span(members_).subspan(static_cast<size_t>(first - members_.begin()),
                                     static_cast<size_t>(end - first));
}

}  // namespace sluice::lb
