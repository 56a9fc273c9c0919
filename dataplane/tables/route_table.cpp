#include "dataplane/tables/route_table.h"

#include <algorithm>
#include <vector>

namespace sluice::dataplane {
namespace {

using Address = unsigned __int128;  // in host order, so that it compares as addresses do

constexpr uint32_t kNoRoute = UINT32_MAX;

Address to_integer(const IpAddress& address) {
  const uint8_t* bytes = address.bytes().data();
  return Address{load<Be64>(bytes).host()} << 64 | load<Be64>(bytes + 8).host();
}

/// The last address of a prefix.
Address end_of(const Prefix& prefix) {
  const unsigned host_bits = prefix.address.is_v4() ? 32u - prefix.length : 128u - prefix.length;
  const Address hosts = host_bits == 128 ? ~Address{0} : (Address{1} << host_bits) - 1;
  return to_integer(prefix.network().address) | hosts;
}

/// From `first` on, up to the next span's first address, packets take `route`.
struct Span {
  Address first;
  uint32_t route;
};

}  // namespace

/// The nested prefixes of one family laid out flat as spans without overlap, so that the longest match is
/// one binary search, however many prefix lengths there are.
struct RouteTable::Index {
  std::vector<Route> routes;  // sorted: outer prefixes before those that they contain
  std::vector<Span> v4, v6;

  void flatten(bool is_v4, std::vector<Span>& spans) const;
};

void RouteTable::Index::flatten(bool is_v4, std::vector<Span>& spans) const {
  const auto begin_span = [&](Address first, uint32_t route) {
    if (!spans.empty() && spans.back().first == first) spans.pop_back();
    spans.push_back({first, route});
  };
  begin_span(0, kNoRoute);
  std::vector<uint32_t> open;  // the prefixes around the current address, innermost last
  const auto close_innermost = [&] {
    const Address end = end_of(routes[open.back()].to);
    open.pop_back();
    if (end != ~Address{0}) begin_span(end + 1, open.empty() ? kNoRoute : open.back());
  };
  for (uint32_t i = 0; i < routes.size(); ++i) {
    if (routes[i].to.address.is_v4() != is_v4) continue;
    const Address first = to_integer(routes[i].to.network().address);
    while (!open.empty() && end_of(routes[open.back()].to) < first) close_innermost();
    begin_span(first, i);
    open.push_back(i);
  }
  while (!open.empty()) close_innermost();
}

RouteTable::RouteTable() = default;
RouteTable::~RouteTable() = default;

std::unique_ptr<const RouteTable> RouteTable::build(std::span<const Route> routes) {
  auto index = std::make_unique<Index>();
  index->routes.assign(routes.begin(), routes.end());
  std::sort(index->routes.begin(), index->routes.end(), [](const Route& a, const Route& b) {
    const Address first_a = to_integer(a.to.network().address);
    const Address first_b = to_integer(b.to.network().address);
    return first_a != first_b ? first_a < first_b : a.to.length < b.to.length;
  });
  index->flatten(true, index->v4);
  index->flatten(false, index->v6);
  auto table = std::unique_ptr<RouteTable>(new RouteTable);
  table->index_ = std::move(index);
  return table;
}

const Route* RouteTable::find(const IpAddress& destination) const {
  const std::vector<Span>& spans = destination.is_v4() ? index_->v4 : index_->v6;
  const auto after = std::upper_bound(spans.begin(), spans.end(), to_integer(destination),
                                      [](Address address, const Span& span) { return address < span.first; });
  const uint32_t route = std::prev(after)->route;  // the first span begins at 0
  return route == kNoRoute ? nullptr : &index_->routes[route];
}

}  // namespace sluice::dataplane
