// The hashes of sources that a worker asked for last. Where few clients have many flows, the keyed hash of
// one costs four times what it costs to find it here. One worker's.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "common/address.h"
#include "common/bytes.h"
#include "lb/source_rules.h"

namespace sluice::lb {

class SourceHashes {
 public:
  /// SourceRules::hash() of a client.
  uint64_t of(const SourceRules& rules, const IpAddress& client) {
    Known& place = known_[place_of(client)];
    if (place.rules != &rules || place.client != client) place = {&rules, client, rules.hash(client)};
    return place.hash;
  }
  /// Other rules may lie where those lay that were asked.
  void forget() { known_ = {}; }

 private:
  static constexpr unsigned kPlaceBits = 5;
  struct Known {
    const SourceRules* rules = nullptr;
    IpAddress client;
    uint64_t hash = 0;
  };

  static size_t place_of(const IpAddress& client) {
    constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
    const uint8_t* const bytes = client.bytes().data();
    return (load<uint64_t>(bytes) + std::rotl(load<uint64_t>(bytes + 8), 32)) * kOdd >> (64 - kPlaceBits);
  }

  std::array<Known, size_t{1} << kPlaceBits> known_{};
};

}  // namespace sluice::lb
