// The IP headers of packets that the gateway makes itself. Any lcore; pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/address.h"
#include "common/headers.h"

namespace sluice::dataplane {

/// Both addresses are of one family.
struct IpHeaderFields {
  IpAddress source;
  IpAddress destination;
  IpProtocol protocol{};
  size_t ip_bytes = 0;  ///< of the whole packet
};

/// What an address adds to a checksum that checksum_finish() ends.
uint64_t address_sum(const IpAddress& address);

/// Writes a header without options or extensions, its checksum in place.
void write_ip_header(uint8_t* at, const IpHeaderFields& fields);

}  // namespace sluice::dataplane
