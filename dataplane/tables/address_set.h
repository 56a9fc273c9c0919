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

  /// Spreads addresses over all values. Neighbors differ in the last bytes, a loaded word's upper ones, of
  /// which a product's lower half knows nothing: both halves count.
  static size_t spread(const IpAddress& address) {
    const auto product =
        static_cast<unsigned __int128>(load<uint64_t>(address.bytes().data()) ^ 0x9e3779b97f4a7c15) *
        (load<uint64_t>(address.bytes().data() + 8) ^ 0xbf58476d1ce4e5b9);
    return static_cast<size_t>(product ^ product >> 64);
  }

 private:
  size_t slot_of(const IpAddress& address) const { return spread(address) & mask_; }

  std::vector<IpAddress> slots_;  // the unspecified address marks a free slot
  size_t mask_ = 0;
};

}  // namespace sluice::dataplane
