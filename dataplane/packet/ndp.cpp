#include "dataplane/packet/ndp.h"

#include <algorithm>

#include "common/checksum.h"

namespace sluice::dataplane {
namespace {

constexpr uint8_t kSolicitation = 135;
constexpr uint8_t kAdvertisement = 136;
constexpr uint8_t kSourceLinkAddress = 1;
constexpr uint8_t kTargetLinkAddress = 2;
constexpr uint32_t kSolicitedFlag = 0x40000000;
constexpr uint32_t kOverrideFlag = 0x20000000;

struct NdpHeader {
  IcmpHeader icmp;  ///< `rest`: flags of an advertisement
  std::array<uint8_t, 16> target;
};
static_assert(sizeof(NdpHeader) == 24);

struct LinkAddressOption {
  uint8_t type;
  uint8_t length;  ///< in units of 8 bytes
  MacAddress mac;
};
static_assert(sizeof(LinkAddressOption) == 8);

bool is_multicast(const IpAddress& address) {
  return address.bytes()[0] == 0xff;
}

/// Walks the options; false where one has no length or is cut short.
bool read_options(std::span<const uint8_t> options, uint8_t wanted, std::optional<MacAddress>& mac) {
  while (!options.empty()) {
    if (options.size() < sizeof(LinkAddressOption)) return false;
    const auto option = load<LinkAddressOption>(options.data());
    const size_t size = option.length * size_t{8};
    if (size == 0 || size > options.size()) return false;
    if (option.type == wanted && option.length == 1 && !option.mac.is_multicast()) mac = option.mac;
    options = options.subspan(size);
  }
  return true;
}

}  // namespace

std::optional<NdpMessage> parse_ndp(std::span<const uint8_t> packet, size_t icmp_offset) {
  if (icmp_offset < sizeof(Ipv6Header) || packet.size() < icmp_offset + sizeof(NdpHeader))
    return std::nullopt;
  const auto ip = load<Ipv6Header>(packet.data());
  const auto header = load<NdpHeader>(packet.data() + icmp_offset);
  if (ip.hop_limit != 255 || header.icmp.code != 0) return std::nullopt;
  if (header.icmp.type != kSolicitation && header.icmp.type != kAdvertisement) return std::nullopt;

  NdpMessage message;
  message.is_advertisement = header.icmp.type == kAdvertisement;
  message.source = IpAddress::v6(ip.source.data());
  message.destination = IpAddress::v6(ip.destination.data());
  message.target = IpAddress::v6(header.target.data());
  const uint8_t wanted = message.is_advertisement ? kTargetLinkAddress : kSourceLinkAddress;
  const auto options = packet.subspan(icmp_offset + sizeof(NdpHeader));
  if (is_multicast(message.target) || !read_options(options, wanted, message.link_address)) {
    return std::nullopt;
  }
  if (message.is_advertisement) {
    const uint32_t flags = header.icmp.rest.host();
    message.solicited = (flags & kSolicitedFlag) != 0;
    message.overrides = (flags & kOverrideFlag) != 0;
    if (message.solicited && is_multicast(message.destination)) return std::nullopt;
  } else if (message.source == IpAddress()) {
    const bool to_group = message.destination == solicited_node_address(message.target);
    if (!to_group || message.link_address) return std::nullopt;
  }
  return message;
}

unsigned write_ndp(const NdpMessage& message, uint8_t* at) {
  const unsigned icmp_bytes = sizeof(NdpHeader) + (message.link_address ? sizeof(LinkAddressOption) : 0u);
  store(at, Ipv6Header{.version_class_flow = Be32::from_host(6u << 28),
                       .payload_length = Be16::from_host(static_cast<uint16_t>(icmp_bytes)),
                       .next_header = IpProtocol::kIcmpv6,
                       .hop_limit = 255,
                       .source = message.source.bytes(),
                       .destination = message.destination.bytes()});
  uint8_t* const icmp = at + sizeof(Ipv6Header);
  NdpHeader header{};
  header.icmp.type = message.is_advertisement ? kAdvertisement : kSolicitation;
  header.icmp.rest =
      Be32::from_host((message.solicited ? kSolicitedFlag : 0u) | (message.overrides ? kOverrideFlag : 0u));
  header.target = message.target.bytes();
  store(icmp, header);
  if (message.link_address) {
    const uint8_t type = message.is_advertisement ? kTargetLinkAddress : kSourceLinkAddress;
    store(icmp + sizeof header, LinkAddressOption{type, 1, *message.link_address});
  }
  uint64_t sum = checksum_add(icmp, icmp_bytes, checksum_add(at + 8, 32));  // pseudo header: the addresses,
  sum += Be32::from_host(icmp_bytes).network();                             // the length,
  sum += Be32::from_host(static_cast<uint32_t>(IpProtocol::kIcmpv6)).network();  // the next header
  store(icmp + offsetof(IcmpHeader, checksum), checksum_finish(sum));
  return static_cast<unsigned>(sizeof(Ipv6Header)) + icmp_bytes;
}

IpAddress solicited_node_address(const IpAddress& target) {
  std::array<uint8_t, 16> bytes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::copy_n(target.bytes().begin() + 13, 3, bytes.begin() + 13);
  return IpAddress::v6(bytes.data());
}

IpAddress all_nodes_address() {
  const std::array<uint8_t, 16> bytes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return IpAddress::v6(bytes.data());
}

MacAddress multicast_mac(const IpAddress& group) {
  const auto& bytes = group.bytes();
  return {{0x33, 0x33, bytes[12], bytes[13], bytes[14], bytes[15]}};
}

}  // namespace sluice::dataplane
