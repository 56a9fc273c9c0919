#include "dataplane/packet/ip_header.h"

#include <new>

#include "common/bytes.h"
#include "common/checksum.h"

namespace sluice::dataplane {
namespace {

constexpr uint8_t kHopLimit = 64;

/// Nothing is read back of what was just stored in pieces, not even to be copied to its place: such a load
/// waits until all stores before have reached the cache.
void write_ipv4(uint8_t* at, const IpHeaderFields& fields) {
  const Be16 total_length = Be16::from_host(static_cast<uint16_t>(fields.ip_bytes));
  constexpr uint64_t kFixed =
      Be16::from_host(0x4500).network() + uint64_t{Be16::from_host(Ipv4Header::kDontFragment).network()};
  const Be16 lifetime =
      Be16::from_host(static_cast<uint16_t>(kHopLimit << 8 | static_cast<uint8_t>(fields.protocol)));
  new (at) Ipv4Header{
      .version_ihl = 0x45,
      .tos = 0,
      .total_length = total_length,
      .id = {},
      .fragment = Be16::from_host(Ipv4Header::kDontFragment),  // so that no id is needed: RFC 6864, 4
      .ttl = kHopLimit,
      .protocol = fields.protocol,
      .checksum = checksum_finish(kFixed + lifetime.network() + total_length.network() +
                                  address_sum(fields.source) + address_sum(fields.destination)),
      .source = fields.source.as_v4(),
      .destination = fields.destination.as_v4()};
}

void write_ipv6(uint8_t* at, const IpHeaderFields& fields) {
  new (at) Ipv6Header{
      .version_class_flow = Be32::from_host(6u << 28),
      .payload_length = Be16::from_host(static_cast<uint16_t>(fields.ip_bytes - sizeof(Ipv6Header))),
      .next_header = fields.protocol,
      .hop_limit = kHopLimit,
      .source = fields.source.bytes(),
      .destination = fields.destination.bytes()};
}

}  // namespace

uint64_t address_sum(const IpAddress& address) {
  if (address.is_v4()) return address.as_v4().network();
  const uint8_t* const bytes = address.bytes().data();
  uint64_t sum = 0;
  for (size_t at = 0; at < 16; at += 4) sum += load<uint32_t>(bytes + at);
  return sum;
}

void write_ip_header(uint8_t* at, const IpHeaderFields& fields) {
  fields.source.is_v4() ? write_ipv4(at, fields) : write_ipv6(at, fields);
}

}  // namespace sluice::dataplane
