// Which service does a packet's destination belong to? Immutable after build(); any thread reads.
#pragma once

#include <memory>
#include <span>

#include "common/address.h"
#include "lb/service.h"

namespace sluice::lb {

/// Exact (address, port, protocol) matches are one hash lookup; port ranges and prefixes cost one more
/// lookup for each distinct prefix length configured. Matches never overlap (the configuration refuses
/// that), so the order of lookups cannot matter.
class ServiceTable {
 public:
  /// Builds the table. `matches` must not overlap. Control thread.
  static std::unique_ptr<const ServiceTable> build(std::span<const ServiceMatch> matches);
  ~ServiceTable();

  /// The service of that destination, or kNoService. `port` in network order as in the packet.
  ServiceId find(const IpAddress& destination, Be16 port, IpProtocol protocol) const;
  /// Whether any service has that address, whatever the port: for ARP, NDP and echo.
  bool has_address(const IpAddress& address) const;
  void prefetch(const IpAddress& destination, Be16 port, IpProtocol protocol) const;

 private:
  ServiceTable();
  struct Index;
  std::unique_ptr<const Index> index_;
};

}  // namespace sluice::lb
