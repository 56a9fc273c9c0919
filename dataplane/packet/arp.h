// ARP messages for IPv4 over Ethernet (RFC 826). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "common/address.h"
#include "common/headers.h"

namespace sluice::dataplane {

struct ArpMessage {
  bool is_reply = false;  ///< else a request
  MacAddress sender_mac;
  IpAddress sender;  ///< 0.0.0.0 in a probe (RFC 5227)
  MacAddress target_mac;
  IpAddress target;
};

/// Reads what follows the Ethernet header. Nothing, where it is cut short, of other address families or
/// of another operation.
std::optional<ArpMessage> parse_arp(std::span<const uint8_t> payload);
/// Writes sizeof(ArpHeader) bytes. Both addresses are IPv4.
void write_arp(const ArpMessage& message, uint8_t* at);

}  // namespace sluice::dataplane
