#include "dataplane/forward/outer_ip.h"

#include "common/checksum.h"

namespace sluice::dataplane {
namespace {

constexpr uint8_t kOuterTtl = 64;

void write_ipv4(uint8_t* at, Be32 source, Be32 destination, IpProtocol protocol, uint8_t tos,
                size_t payload_bytes) {
  Ipv4Header header{};
  header.version_ihl = 0x45;
  header.tos = tos;
  header.total_length = Be16::from_host(static_cast<uint16_t>(sizeof header + payload_bytes));
  header.fragment = Be16::from_host(Ipv4Header::kDontFragment);
  header.ttl = kOuterTtl;
  header.protocol = protocol;
  header.source = source;
  header.destination = destination;
  header.checksum = checksum_finish(checksum_add(&header, sizeof header));
  store(at, header);
}

}  // namespace

void write_outer_ip(uint8_t* at, const Encapsulation& encapsulation, const IpAddress& destination,
                    IpProtocol protocol, uint8_t traffic_class, size_t payload_bytes) {
  if (destination.is_v4()) {
    write_ipv4(at, encapsulation.source.as_v4(), destination.as_v4(), protocol, traffic_class, payload_bytes);
    return;
  }
  Ipv6Header header{};
  header.version_class_flow = Be32::from_host(6u << 28 | uint32_t{traffic_class} << 20);
  header.payload_length = Be16::from_host(static_cast<uint16_t>(payload_bytes));
  header.next_header = protocol;
  header.hop_limit = kOuterTtl;
  header.source = encapsulation.source6.bytes();
  header.destination = destination.bytes();
  store(at, header);
}

}  // namespace sluice::dataplane
