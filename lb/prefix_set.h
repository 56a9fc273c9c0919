// A set of prefixes of both families, up to millions of them, and which of them holds an address. Immutable
// after build(): one object for all services that use it; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/address.h"
#include "lb/range_table.h"

namespace sluice::lb {

class PrefixSet {
 public:
  /// longest_match() of an address that no prefix holds.
  static constexpr uint8_t kNoMatch = 255;

  /// Host bits count as zero. Of prefixes that are named twice, one counts. At most 12 bytes of memory for
  /// an IPv4 prefix, 36 for one of IPv6. Sorts them, which takes a while for a million.
  static std::shared_ptr<const PrefixSet> build(std::vector<Prefix> prefixes);

  /// Whether the same prefixes decide about every address.
  bool operator==(const PrefixSet&) const = default;

  /// Different ones.
  size_t size() const { return size_; }

  /// The length of the longest prefix that holds an address: mask() with it is that prefix. Hot path.
  uint8_t longest_match(const IpAddress& address) const {
    if (address.is_v4()) return v4_.empty() ? kNoMatch : v4_.find(address.as_v4().host());
    return v6_.empty() ? kNoMatch : v6_.find(key_of(address));
  }
  /// As RangeTable's, for several addresses.
  [[gnu::always_inline]] void fetch_index(const IpAddress& address) const {
    if (address.is_v4()) return v4_.empty() ? void() : v4_.fetch_index(address.as_v4().host());
    if (!v6_.empty()) v6_.fetch_index(key_of(address));
  }
  [[gnu::always_inline]] void fetch_ranges(const IpAddress& address) const {
    if (address.is_v4()) return v4_.empty() ? void() : v4_.fetch_ranges(address.as_v4().host());
    if (!v6_.empty()) v6_.fetch_ranges(key_of(address));
  }

 private:
  using Key6 = unsigned __int128;
  static Key6 key_of(const IpAddress& address) {
    const auto half = [&](size_t place) { return byte_swap(load<uint64_t>(address.bytes().data() + place)); };
    return Key6{half(0)} << 64 | half(8);
  }

  RangeTable<uint32_t> v4_;
  RangeTable<Key6> v6_;
  size_t size_ = 0;
};

}  // namespace sluice::lb
