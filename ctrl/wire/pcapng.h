// Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian, with times in nanoseconds. Each function
// appends one block. Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sluice::ctrl::pcapng {

/// What a file begins with.
void add_section(std::string& file, std::string_view application);

/// An Ethernet interface. They are numbered from 0, in the order of the file.
void add_interface(std::string& file, std::string_view name, uint32_t snaplen);

struct Packet {
  uint32_t interface = 0;
  uint64_t time_ns = 0;            ///< since 1970
  std::span<const uint8_t> bytes;  ///< of the packet's front
  uint32_t length = 0;             ///< of the whole packet
  std::string_view comment;        ///< empty: none
};
void add_packet(std::string& file, const Packet& packet);

}  // namespace sluice::ctrl::pcapng
