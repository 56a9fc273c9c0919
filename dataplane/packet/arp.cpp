#include "dataplane/packet/arp.h"

namespace sluice::dataplane {
namespace {

constexpr uint16_t kEthernet = 1;
constexpr uint16_t kRequest = 1;
constexpr uint16_t kReply = 2;

}  // namespace

std::optional<ArpMessage> parse_arp(std::span<const uint8_t> payload) {
  if (payload.size() < sizeof(ArpHeader)) return std::nullopt;
  const auto header = load<ArpHeader>(payload.data());
  const uint16_t operation = header.operation.host();
  if (header.hardware_type.host() != kEthernet || header.protocol_type.host() != ether_type::kIpv4 ||
      header.hardware_length != 6 || header.protocol_length != 4 ||
      (operation != kRequest && operation != kReply) || header.sender_mac.is_multicast()) {
    return std::nullopt;
  }
  return ArpMessage{operation == kReply, header.sender_mac, IpAddress::v4(header.sender_address),
                    header.target_mac, IpAddress::v4(header.target_address)};
}

void write_arp(const ArpMessage& message, uint8_t* at) {
  store(at, ArpHeader{.hardware_type = Be16::from_host(kEthernet),
                      .protocol_type = Be16::from_host(ether_type::kIpv4),
                      .hardware_length = 6,
                      .protocol_length = 4,
                      .operation = Be16::from_host(message.is_reply ? kReply : kRequest),
                      .sender_mac = message.sender_mac,
                      .sender_address = message.sender.as_v4(),
                      .target_mac = message.target_mac,
                      .target_address = message.target.as_v4()});
}

}  // namespace sluice::dataplane
