#include "perf/traffic.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <random>

#include "common/checksum.h"
#include "dataplane/packet/pseudo_header.h"
#include "perf/rules.h"
#include "tests/support/test_tables.h"

namespace sluice::perf {
namespace {

constexpr uint32_t kPortsPerClient = 50'000;
const Be16 kPort = Be16::from_host(80);

/// Simple IMIX (RFC 6985, appendix A): 7 of 64, 4 of 594 and 1 of 1518 bytes with FCS.
size_t frame_bytes(const Traffic& traffic, uint32_t index) {
  if (!traffic.imix) return kSmallestFrame;
  constexpr std::array<size_t, 12> kCycle = {60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 590, 60};
  return kCycle[index % kCycle.size()];
}

size_t l4_header_bytes(const Traffic& traffic) {
  return traffic.protocol == IpProtocol::kTcp ? sizeof(TcpHeader) : sizeof(UdpHeader);
}

IpAddress client(const Traffic& traffic, uint32_t index) {
  if (traffic.many_clients) return listed_client(index);
  const uint32_t number = index / kPortsPerClient;
  if (!traffic.v6) return IpAddress::v4(Be32::from_host(0xc6120000 + number));  // 198.18.0.0/15: RFC 2544
  auto bytes = IpAddress::parse(test::kIpv6.client)->bytes();
  bytes[14] = static_cast<uint8_t>(number >> 8);
  bytes[15] = static_cast<uint8_t>(number);
  return IpAddress::v6(bytes.data());
}

IpAddress vip(const Traffic& traffic, uint32_t index) {
  return traffic.v6 ? *IpAddress::parse(test::kIpv6.vip) : service_address(index % traffic.services);
}

Be16 client_port(uint32_t index) {
  return Be16::from_host(static_cast<uint16_t>(1024 + index % kPortsPerClient));
}

/// Writes the IP header of flow `index`; returns its size.
size_t write_ip(const Traffic& traffic, uint32_t index, uint8_t* at, size_t l4_bytes) {
  if (traffic.v6) {
    Ipv6Header header{};
    header.version_class_flow = Be32::from_host(6u << 28);
    header.payload_length = Be16::from_host(static_cast<uint16_t>(l4_bytes));
    header.next_header = traffic.protocol;
    header.hop_limit = 64;
    header.source = client(traffic, index).bytes();
    header.destination = vip(traffic, index).bytes();
    store(at, header);
    return sizeof header;
  }
  Ipv4Header header{};
  header.version_ihl = 0x45;
  header.total_length = Be16::from_host(static_cast<uint16_t>(sizeof header + l4_bytes));
  header.fragment = Be16::from_host(Ipv4Header::kDontFragment);
  header.ttl = 64;
  header.protocol = traffic.protocol;
  header.source = client(traffic, index).as_v4();
  header.destination = vip(traffic, index).as_v4();
  header.checksum = checksum_finish(checksum_add(&header, sizeof header));
  store(at, header);
  return sizeof header;
}

void write_l4(const Traffic& traffic, uint32_t index, uint8_t* ip, uint8_t* at, size_t l4_bytes) {
  const Be16 source = client_port(index);
  const auto checksum = [&] {
    const uint64_t seed = dataplane::pseudo_header_sum(ip, !traffic.v6, traffic.protocol, l4_bytes);
    return checksum_finish(checksum_add(at, l4_bytes, seed));
  };
  if (traffic.protocol == IpProtocol::kTcp) {
    TcpHeader tcp{};
    tcp.source_port = source;
    tcp.destination_port = kPort;
    tcp.data_offset = 0x50;
    tcp.flags = traffic.tcp_flags;
    store(at, tcp);
    tcp.checksum = checksum();
    return store(at, tcp);
  }
  UdpHeader udp{source, kPort, Be16::from_host(static_cast<uint16_t>(l4_bytes)), {}};
  store(at, udp);
  udp.checksum = checksum();
  store(at, udp);
}

}  // namespace

IpAddress service_address(uint32_t number) {
  constexpr uint32_t kOthers = 0xcb007200;  // 203.0.114.0
  return number == 0 ? *IpAddress::parse(test::kIpv4.vip) : IpAddress::v4(Be32::from_host(kOthers + number));
}

std::vector<uint8_t> make_frame(const Traffic& traffic, uint32_t index) {
  const size_t headers = sizeof(EthernetHeader) + (traffic.v6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header));
  const size_t size = std::max(frame_bytes(traffic, index), headers + l4_header_bytes(traffic));
  std::vector<uint8_t> frame(size);
  store(frame.data(), EthernetHeader{*MacAddress::parse(test::kEdgeMac), *MacAddress::parse(test::kRouterMac),
                                     Be16::from_host(traffic.v6 ? ether_type::kIpv6 : ether_type::kIpv4)});
  uint8_t* const ip = frame.data() + sizeof(EthernetHeader);
  const size_t l4_bytes = size - headers;
  write_l4(traffic, index, ip, ip + write_ip(traffic, index, ip, l4_bytes), l4_bytes);
  return frame;
}

FlowKey make_key(const Traffic& traffic, uint32_t index) {
  return {client(traffic, index), vip(traffic, index), client_port(index), kPort, traffic.protocol, {}};
}

std::vector<uint32_t> shuffled_flows(const Traffic& traffic) {
  std::vector<uint32_t> order(traffic.flows);
  std::iota(order.begin(), order.end(), traffic.first_flow);
  std::shuffle(order.begin(), order.end(), std::minstd_rand(1));
  return order;
}

}  // namespace sluice::perf
