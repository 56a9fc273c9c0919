// What counts as one source of transactions. Plain values.
#pragma once

#include <cstdint>

#include "common/address.h"

namespace sluice::ledger {

/// A host's address, or a network that one host may have all addresses of.
struct SourcePrefixes {
  uint8_t v4 = 32;  ///< bits
  uint8_t v6 = 64;
  /// Every address by itself.
  static constexpr SourcePrefixes hosts() { return {32, 128}; }
  IpAddress of(const IpAddress& address) const {
    const uint8_t length = address.is_v4() ? v4 : v6;
    return length == (address.is_v4() ? 32 : 128) ? address : mask(address, length);
  }
  bool operator==(const SourcePrefixes&) const = default;
};

}  // namespace sluice::ledger
