#include "lb/pool_steering.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/check.h"
#include "lb/policies/all.h"

namespace sluice::lb {
namespace {

using Range = PoolSteering::Range;
using Number = unsigned __int128;  // an address's bytes in network order

Number number_of(const IpAddress& address) {
  Number number = 0;
  for (const uint8_t byte : address.bytes()) number = number << 8 | byte;
  return number;
}

IpAddress address_of(Number number) {
  std::array<uint8_t, 16> bytes;
  for (size_t i = bytes.size(); i-- > 0; number >>= 8) bytes[i] = static_cast<uint8_t>(number);
  return IpAddress::v6(bytes.data());
}

/// A prefix of a route. Of those that an address matches, the one that comes first in the list counts.
struct Entry {
  Prefix prefix;
  uint32_t route;
};

/// Where an entry begins to match, or ceases to.
struct Edge {
  Number at;
  size_t entry;
  bool begins;
};

std::vector<Range> ranges_of(const std::vector<Entry>& entries, bool v4) {
  const Number first = v4 ? Number{0xffff00000000} : 0;
  const Number last = v4 ? Number{0xffffffffffff} : ~Number{0};
  std::vector<Edge> edges;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Prefix& prefix = entries[i].prefix;
    if (prefix.address.is_v4() != v4) continue;
    const unsigned host_bits = (v4 ? 32u : 128u) - prefix.length;
    const Number begin = number_of(prefix.address);
    const Number hosts = host_bits == 128 ? ~Number{0} : (Number{1} << host_bits) - 1;
    edges.push_back({begin, i, true});
    if (begin + hosts != last) edges.push_back({begin + hosts + 1, i, false});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });

  std::vector<Range> ranges{{address_of(first)}};
  size_t present = entries.size();  // the entry of the last range; past the end: none
  std::set<size_t> matching;
  for (size_t i = 0; i < edges.size();) {
    const Number at = edges[i].at;
    for (; i < edges.size() && edges[i].at == at; ++i) {
      edges[i].begins ? static_cast<void>(matching.insert(edges[i].entry))
                      : static_cast<void>(matching.erase(edges[i].entry));
    }
    const size_t next = matching.empty() ? entries.size() : *matching.begin();
    if (next == present) continue;
    present = next;
    if (at != first) ranges.emplace_back();
    ranges.back() = {address_of(at)};
    if (next == entries.size()) continue;
    ranges.back().route = entries[next].route;
    ranges.back().matched = entries[next].prefix;
  }
  return ranges;
}

uint64_t hash_of(const FlowKey& key, Policy policy, const SipKey& hash_key) {
  const auto hash = row_of(policy).hash;
  return (hash != nullptr ? hash : kMaglevPolicy.hash)(key, hash_key);
}

}  // namespace

PoolSplit::PoolSplit(std::vector<Share> shares) : shares_(std::move(shares)) {
  uint64_t end = 0;
  for (const Share& share : shares_) ends_.push_back(end += share.weight);
  check(end > 0 && end <= UINT32_MAX, "the weights of a split have a sum of 1 to 2^32-1");
}

uint32_t PoolSplit::place_of(uint64_t hash) const {
  const uint64_t point = (hash >> 32) * total() >> 32;
  return static_cast<uint32_t>(std::upper_bound(ends_.begin(), ends_.end(), point) - ends_.begin());
}

PoolSteering::PoolSteering(std::vector<Route> routes, PoolSplit rest, bool is_split)
    : routes_(std::move(routes)), rest_(std::move(rest)), is_split_(is_split) {
  std::vector<Entry> entries;
  const auto note = [&](const PoolSplit& split) {
    for (const PoolSplit::Share& share : split.shares()) {
      if (std::ranges::find(pools_, share.pool) == pools_.end()) pools_.push_back(share.pool);
    }
  };
  note(rest_);
  for (uint32_t route = 0; route < routes_.size(); ++route) {
    for (const Prefix& source : routes_[route].sources) entries.push_back({source, route});
    note(routes_[route].split);
  }
  v4_ = ranges_of(entries, true);
  v6_ = ranges_of(entries, false);
}

PoolChoice PoolSteering::choose(const FlowKey& key, Policy policy, const SipKey& hash_key) const {
  const auto ranges = this->ranges(key.source.is_v4());
  // The first range begins with the first address, so there is one before whatever is found.
  const Range& range = *(std::ranges::upper_bound(ranges, key.source, {}, &Range::first) - 1);
  PoolChoice choice{.route = range.route, .matched = range.matched};
  const bool is_split = range.route == PoolChoice::kNone ? is_split_ : routes_[range.route].is_split;
  const PoolSplit& split = split_of(range.route);
  if (is_split) choice.share = split.place_of(hash_of(key, policy, hash_key));
  choice.pool = split.at(is_split ? choice.share : 0).pool;
  return choice;
}

}  // namespace sluice::lb
