#include "lb/prefix_set.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace sluice::lb {
namespace {

/// A prefix as the range of keys that it holds.
template <typename Key>
struct Range {
  Key first;
  Key last;
  uint8_t length;

  static Range of(Key address, uint8_t length) {
    const unsigned host_bits = sizeof(Key) * 8 - length;
    const Key hosts = host_bits == sizeof(Key) * 8 ? ~Key{0} : (Key{1} << host_bits) - 1;
    return {address & ~hosts, address | hosts, length};
  }
  /// A prefix comes before those that lie in it.
  bool operator<(const Range& other) const {
    return std::tie(first, length) < std::tie(other.first, other.length);
  }
  bool operator==(const Range& other) const { return first == other.first && length == other.length; }
};

/// Cuts prefixes, which lie in each other or apart, into ranges that have one longest match each.
template <typename Key>
class Cutter {
 public:
  Cutter() { begin(0, PrefixSet::kNoMatch); }

  /// `prefixes` are sorted.
  RangeTable<Key> cut(const std::vector<Range<Key>>& prefixes) {
    for (const Range<Key>& prefix : prefixes) {
      while (!around_.empty() && around_.back().last < prefix.first) end_innermost();
      begin(prefix.first, prefix.length);
      around_.push_back(prefix);
    }
    while (!around_.empty()) end_innermost();
    return {std::move(starts_), std::move(lengths_)};
  }

 private:
  void end_innermost() {
    const Key last = around_.back().last;
    around_.pop_back();
    if (last == static_cast<Key>(~Key{0})) return;
    begin(last + 1, around_.empty() ? PrefixSet::kNoMatch : around_.back().length);
  }
  /// From `start` on, until something else is said.
  void begin(Key start, uint8_t length) {
    if (!starts_.empty() && starts_.back() == start) {
      starts_.pop_back();
      lengths_.pop_back();
    }
    if (!lengths_.empty() && lengths_.back() == length) return;  // another prefix, as long, right behind
    starts_.push_back(start);
    lengths_.push_back(length);
  }

  std::vector<Key> starts_;
  std::vector<uint8_t> lengths_;
  std::vector<Range<Key>> around_;  ///< prefixes that hold the present place, the innermost last
};

template <typename Key>
size_t sort_and_fold(std::vector<Range<Key>>& prefixes) {
  std::sort(prefixes.begin(), prefixes.end());
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
  return prefixes.size();
}

}  // namespace

std::shared_ptr<const PrefixSet> PrefixSet::build(std::vector<Prefix> prefixes) {
  std::vector<Range<uint32_t>> v4;
  std::vector<Range<Key6>> v6;
  for (const Prefix& prefix : prefixes) {
    if (prefix.address.is_v4()) {
      v4.push_back(Range<uint32_t>::of(prefix.address.as_v4().host(), prefix.length));
    } else {
      v6.push_back(Range<Key6>::of(key_of(prefix.address), prefix.length));
    }
  }
  prefixes = {};
  auto set = std::make_shared<PrefixSet>();
  set->size_ = sort_and_fold(v4) + sort_and_fold(v6);
  if (!v4.empty()) set->v4_ = Cutter<uint32_t>().cut(v4);
  if (!v6.empty()) set->v6_ = Cutter<Key6>().cut(v6);
  return set;
}

}  // namespace sluice::lb
