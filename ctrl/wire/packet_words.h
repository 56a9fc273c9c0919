// What the front of a frame says, in words for people: tags, addresses, lengths, ports. It judges nothing,
// and stops where the bytes do. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace sluice::ctrl {

/// `vlan 100, ipv4 192.0.2.1 -> 203.0.113.10, header 20, total 60, ttl 64, tcp 40000 -> 80 [SYN]`, of a frame
/// of `length` bytes that begins with `front`.
std::string packet_words(std::span<const uint8_t> front, uint32_t length);

}  // namespace sluice::ctrl
