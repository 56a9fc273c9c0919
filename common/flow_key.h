// What identifies a flow: the five-tuple, one layout for both address families.
// Any thread; plain values.
#pragma once

#include <cstdint>
#include <cstring>

#include "common/address.h"
#include "common/bytes.h"
#include "common/headers.h"

namespace sluice {

/// A five-tuple as the packet has it. The first 37 bytes, without gaps, are also the input of the
/// flow hash: source 16 | destination 16 | source port 2 | destination port 2 | protocol 1.
struct FlowKey {
  IpAddress source;
  IpAddress destination;
  Be16 source_port;
  Be16 destination_port;
  IpProtocol protocol{};
  uint8_t reserved[3] = {};  ///< always zero, so that keys compare as bytes

  static constexpr size_t kHashedBytes = 37;

  /// The key of the packets that flow the other way.
  FlowKey reversed() const { return {destination, source, destination_port, source_port, protocol, {}}; }
  /// Word by word: a call of memcmp() costs more than the comparison.
  bool operator==(const FlowKey& other) const {
    const auto differs = [&](size_t word) {
      return load<uint64_t>(reinterpret_cast<const uint8_t*>(this) + 8 * word) ^
             load<uint64_t>(reinterpret_cast<const uint8_t*>(&other) + 8 * word);
    };
    return (differs(0) | differs(1) | differs(2) | differs(3) | differs(4)) == 0;
  }
};
static_assert(sizeof(FlowKey) == 40);
static_assert(offsetof(FlowKey, protocol) == 36);

}  // namespace sluice
