#include "ctrl/intent/service_overlap.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace sluice::ctrl {
namespace {

/// The port ranges of one prefix and protocol, sorted by their first port; of each, which one up to it
/// reaches furthest: that answers "does any of them meet this range" with one search.
class PortRanges {
 public:
  /// In order of first_port. Returns the index of a range that this one meets, or `none`.
  size_t add(std::span<const lb::ServiceMatch> matches, size_t index, size_t none) {
    const size_t met = find(matches, matches[index], none);
    const bool reaches_further =
        furthest_.empty() || matches[index].last_port > matches[furthest_.back()].last_port;
    first_ports_.push_back(matches[index].first_port);
    furthest_.push_back(reaches_further ? index : furthest_.back());
    return met;
  }

  size_t find(std::span<const lb::ServiceMatch> matches, const lb::ServiceMatch& range, size_t none) const {
    const auto after = std::upper_bound(first_ports_.begin(), first_ports_.end(), range.last_port);
    if (after == first_ports_.begin()) return none;
    const size_t candidate = furthest_[static_cast<size_t>(after - first_ports_.begin()) - 1];
    return matches[candidate].last_port >= range.first_port ? candidate : none;
  }

 private:
  std::vector<uint16_t> first_ports_;
  std::vector<size_t> furthest_;
};

struct Block {
  Prefix address;
  IpProtocol protocol;
  PortRanges ranges;
};

}  // namespace

std::vector<Overlap> find_overlaps(std::span<const lb::ServiceMatch> matches) {
  std::vector<size_t> order(matches.size());
  std::iota(order.begin(), order.end(), size_t{0});
  // An enclosing prefix sorts right before all that it encloses, so a stack holds the ones that enclose.
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const auto key = [&](size_t i) {
      const lb::ServiceMatch& match = matches[i];
      return std::tuple(match.protocol, match.address.address.is_v4(), match.address, match.first_port, i);
    };
    return key(a) < key(b);
  });

  constexpr size_t kNone = SIZE_MAX;
  std::map<size_t, size_t> by_later;
  const auto report = [&](size_t a, size_t b) {
    if (b != kNone) by_later.emplace(std::max(a, b), std::min(a, b));
  };
  std::vector<Block> enclosing;
  for (const size_t index : order) {
    const lb::ServiceMatch& match = matches[index];
    while (!enclosing.empty() && (enclosing.back().protocol != match.protocol ||
                                  !enclosing.back().address.overlaps(match.address))) {
      enclosing.pop_back();
    }
    const bool same_block = !enclosing.empty() && enclosing.back().address == match.address;
    if (!same_block) enclosing.push_back({match.address, match.protocol, {}});
    for (size_t i = 0; i + 1 < enclosing.size(); ++i) {
      report(index, enclosing[i].ranges.find(matches, match, kNone));
    }
    report(index, enclosing.back().ranges.add(matches, index, kNone));
  }
  std::vector<Overlap> overlaps;
  for (const auto& [later, earlier] : by_later) overlaps.push_back({earlier, later});
  return overlaps;
}

}  // namespace sluice::ctrl
