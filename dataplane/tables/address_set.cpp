#include "dataplane/tables/address_set.h"

#include <bit>

namespace sluice::dataplane {

AddressSet::AddressSet(std::span<const IpAddress> addresses) {
  if (addresses.empty()) return;
  slots_.resize(std::bit_ceil(addresses.size() * 2));
  mask_ = slots_.size() - 1;
  for (const IpAddress& address : addresses) {
    if (address == IpAddress()) continue;
    size_t slot = slot_of(address);
    while (slots_[slot] != IpAddress() && slots_[slot] != address) slot = (slot + 1) & mask_;
    slots_[slot] = address;
  }
}

}  // namespace sluice::dataplane
