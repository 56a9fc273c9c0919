// Longest-prefix routes of both families. Immutable after build(); any thread reads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "common/address.h"

namespace sluice::dataplane {

/// Where packets to a prefix go: out of `port`, to `gateway`, or to the destination itself where the
/// prefix is on the link (`on_link`).
struct Route {
  Prefix to;
  uint16_t port = 0;
  bool on_link = false;
  IpAddress gateway;
};

class RouteTable {
 public:
  /// At most one route for each prefix. Control thread.
  static std::unique_ptr<const RouteTable> build(std::span<const Route> routes);
  ~RouteTable();
  /// The most specific route to that address, or null. Valid as long as the table.
  const Route* find(const IpAddress& destination) const;

 private:
  RouteTable();
  struct Index;
  std::unique_ptr<const Index> index_;
};

}  // namespace sluice::dataplane
