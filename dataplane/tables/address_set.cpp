#include "dataplane/tables/address_set.h"

#include <algorithm>
#include <bit>

namespace sluice::dataplane {
namespace {

/// In a small set an address that is not in it is to meet none that is.
constexpr size_t kFewestSlots = 64;

}  // namespace

AddressSet::AddressSet(std::span<const IpAddress> addresses) {
  if (addresses.empty()) return;
  slots_.resize(std::bit_ceil(std::max(2 * addresses.size(), kFewestSlots)));
  mask_ = slots_.size() - 1;
  for (const IpAddress& address : addresses) {
    if (address == IpAddress()) continue;
    size_t slot = slot_of(address);
    while (slots_[slot] != IpAddress() && slots_[slot] != address) slot = (slot + 1) & mask_;
    slots_[slot] = address;
  }
}

}  // namespace sluice::dataplane
