// A set of IP addresses for one question on the packet path: is this address in it? Immutable after
// construction; any thread reads.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "common/address.h"

namespace sluice::dataplane {

/// Open addressing with linear probing, at most half full. The unspecified address is never in it.
class AddressSet {
 public:
  /// The empty set.
  AddressSet() = default;
  /// Duplicates are welcome. Control thread.
  explicit AddressSet(std::span<const IpAddress> addresses);

  bool contains(const IpAddress& address) const {
    if (slots_.empty()) return false;
    for (size_t slot = slot_of(address);; slot = (slot + 1) & mask_) {
      if (slots_[slot] == IpAddress()) return false;  // at most half full: a free slot ends every chain
      if (slots_[slot] == address) return true;
    }
  }
  bool empty() const { return slots_.empty(); }

 private:
  size_t slot_of(const IpAddress& address) const {
    const uint64_t mixed =
        (load<uint64_t>(address.bytes().data()) ^ load<uint64_t>(address.bytes().data() + 8) * kGolden) *
        kGolden;
    return static_cast<size_t>(mixed >> 32) & mask_;
  }
  static constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;

  std::vector<IpAddress> slots_;  // the unspecified address marks a free slot
  size_t mask_ = 0;
};

}  // namespace sluice::dataplane
