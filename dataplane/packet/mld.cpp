#include "dataplane/packet/mld.h"

#include <algorithm>
#include <array>

#include "common/checksum.h"
#include "dataplane/packet/icmp.h"
#include "dataplane/packet/ndp.h"
#include "dataplane/packet/pseudo_header.h"

namespace sluice::dataplane {
namespace {

constexpr uint8_t kV1Report = 131;
constexpr uint8_t kV1Done = 132;
constexpr uint8_t kV2Report = 143;
constexpr size_t kV1QueryBytes = 24;
constexpr size_t kV2QueryBytes = 28;

struct V1Message {  // RFC 2710, 3; an MLDv2 query begins alike
  IcmpHeader icmp;  ///< `rest`: Maximum Response Delay 16 | reserved 16
  std::array<uint8_t, 16> group;
};
static_assert(sizeof(V1Message) == kV1QueryBytes);

struct Record {  // RFC 3810, 5.2
  MldRecordType type;
  uint8_t auxiliary_words;
  Be16 sources;
  std::array<uint8_t, 16> group;
};
static_assert(sizeof(Record) == kMldRecordBytes);

/// Hop-by-hop options: the next header, no length beyond eight bytes, Router Alert with value 0 (RFC 2711:
/// MLD), and two bytes of padding.
constexpr std::array<uint8_t, 8> kRouterAlert = {58, 0, 5, 2, 0, 0, 1, 0};

bool is_link_local(const std::array<uint8_t, 16>& address) {
  return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

/// Whether the hop-by-hop options right behind the IPv6 header have a Router Alert.
bool has_router_alert(std::span<const uint8_t> packet, size_t icmp_offset) {
  if (load<Ipv6Header>(packet.data()).next_header != IpProtocol::kHopByHop) return false;
  const size_t length = 8u * (packet[sizeof(Ipv6Header) + 1] + size_t{1});
  if (sizeof(Ipv6Header) + length > icmp_offset) return false;
  std::span<const uint8_t> options = packet.subspan(sizeof(Ipv6Header) + 2, length - 2);
  constexpr uint8_t kPad1 = 0, kAlert = 5;
  while (!options.empty()) {
    if (options[0] == kPad1) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2 || options.size() < 2u + options[1]) return false;
    if (options[0] == kAlert && options[1] == 2) return true;
    options = options.subspan(2u + options[1]);
  }
  return false;
}

/// The Maximum Response Code of MLDv2 (RFC 3810, 5.1.3).
uint32_t delay_of(uint16_t code) {
  if (code < 0x8000) return code;
  const uint32_t exponent = code >> 12 & 7, mantissa = code & 0xfff;
  return (mantissa | 0x1000) << (exponent + 3);
}

void write_ip(const IpAddress& source, const IpAddress& destination, size_t icmp_bytes, uint8_t* at) {
  store(at, Ipv6Header{.version_class_flow = Be32::from_host(6u << 28),
                       .payload_length = Be16::from_host(static_cast<uint16_t>(8 + icmp_bytes)),
                       .next_header = IpProtocol::kHopByHop,
                       .hop_limit = 1,
                       .source = source.bytes(),
                       .destination = destination.bytes()});
  store(at + sizeof(Ipv6Header), kRouterAlert);
}

void write_checksum(uint8_t* ip, size_t icmp_bytes) {
  uint8_t* const icmp = ip + sizeof(Ipv6Header) + kRouterAlert.size();
  const uint64_t sum =
      checksum_add(icmp, icmp_bytes, pseudo_header_sum(ip, false, IpProtocol::kIcmpv6, icmp_bytes));
  store(icmp + offsetof(IcmpHeader, checksum), checksum_finish(sum));
}

}  // namespace

std::optional<MldQuery> parse_mld_query(std::span<const uint8_t> packet, size_t icmp_offset) {
  if (icmp_offset < sizeof(Ipv6Header) + 8 || packet.size() < icmp_offset + kV1QueryBytes)
    return std::nullopt;
  const auto ip = load<Ipv6Header>(packet.data());
  const auto message = load<V1Message>(packet.data() + icmp_offset);
  const size_t bytes = packet.size() - icmp_offset;
  if (message.icmp.type != icmpv6_type::kListenerQuery || message.icmp.code != 0) return std::nullopt;
  if (bytes != kV1QueryBytes && bytes < kV2QueryBytes) return std::nullopt;  // RFC 3810, 8.1
  if (ip.hop_limit != 1 || !is_link_local(ip.source) || !has_router_alert(packet, icmp_offset)) {
    return std::nullopt;
  }
  MldQuery query;
  query.version = bytes == kV1QueryBytes ? 1 : 2;
  query.group = IpAddress::v6(message.group.data());
  const auto code = static_cast<uint16_t>(message.icmp.rest.host() >> 16);
  query.most_delay_ms = query.version == 1 ? code : delay_of(code);
  return query;
}

IpAddress mld_routers_address() {
  const std::array<uint8_t, 16> bytes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16};
  return IpAddress::v6(bytes.data());
}

IpAddress all_routers_address() {
  const std::array<uint8_t, 16> bytes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
  return IpAddress::v6(bytes.data());
}

void write_mld_record(MldRecordType type, const IpAddress& group, uint8_t* at) {
  store(at, Record{type, 0, {}, group.bytes()});
}

void write_mld_report(const IpAddress& source, unsigned records, uint8_t* at) {
  const size_t icmp_bytes = sizeof(IcmpHeader) + size_t{records} * kMldRecordBytes;
  write_ip(source, mld_routers_address(), icmp_bytes, at);
  IcmpHeader header{};
  header.type = kV2Report;
  header.rest = Be32::from_host(records);  // reserved 16 | number of records 16
  store(at + kMldReportBytes - sizeof header, header);
  write_checksum(at, icmp_bytes);
}

void write_mld_v1(const IpAddress& source, const IpAddress& group, bool is_done, uint8_t* at) {
  write_ip(source, is_done ? all_routers_address() : group, sizeof(V1Message), at);
  V1Message message{};
  message.icmp.type = is_done ? kV1Done : kV1Report;
  message.group = group.bytes();
  store(at + kMldV1Bytes - sizeof message, message);
  write_checksum(at, sizeof message);
}

}  // namespace sluice::dataplane
