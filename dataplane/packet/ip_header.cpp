#include "dataplane/packet/ip_header.h"

#include "common/bytes.h"
#include "common/checksum.h"

namespace sluice::dataplane {
namespace {

constexpr uint8_t kHopLimit = 64;

void write_ipv4(uint8_t* at, const IpHeaderFields& fields) {
  Ipv4Header header{};
  header.version_ihl = 0x45;
  header.total_length = Be16::from_host(static_cast<uint16_t>(fields.ip_bytes));
  header.fragment = Be16::from_host(Ipv4Header::kDontFragment);  // so that no id is needed: RFC 6864, 4
  header.ttl = kHopLimit;
  header.protocol = fields.protocol;
  header.source = fields.source.as_v4();
  header.destination = fields.destination.as_v4();
  header.checksum = checksum_finish(checksum_add(&header, sizeof header));
  store(at, header);
}

void write_ipv6(uint8_t* at, const IpHeaderFields& fields) {
  Ipv6Header header{};
  header.version_class_flow = Be32::from_host(6u << 28);
  header.payload_length = Be16::from_host(static_cast<uint16_t>(fields.ip_bytes - sizeof header));
  header.next_header = fields.protocol;
  header.hop_limit = kHopLimit;
  header.source = fields.source.bytes();
  header.destination = fields.destination.bytes();
  store(at, header);
}

}  // namespace

void write_ip_header(uint8_t* at, const IpHeaderFields& fields) {
  fields.source.is_v4() ? write_ipv4(at, fields) : write_ipv6(at, fields);
}

}  // namespace sluice::dataplane
