// When to speak up against another station that claims one of our addresses (RFC 5227, 2.4 (c)): once, and
// then not before DEFEND_INTERVAL, lest two stations shout at each other for ever. One per worker.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "common/address.h"
#include "lb/flow_hash.h"

namespace sluice::dataplane {

class AddressDefence {
 public:
  static constexpr uint32_t kIntervalMs = 10'000;  ///< DEFEND_INTERVAL

  /// `seed` is secret.
  explicit AddressDefence(uint64_t seed) : hash_(seed), slots_(new Slots{}) {}

  /// Whether a claim to `address`, heard on `port`, is to be answered now. Remembers that it was. Bounded:
  /// where two addresses share a slot, the second waits until the first one's interval is over.
  bool is_due(uint16_t port, const IpAddress& address, uint32_t now_ms) {
    const FlowKey key{address, {}, Be16::from_network(port), {}, {}, {}};
    Slot& slot = (*slots_)[hash_(key) % kSlots];
    if (slot.is_used && now_ms - slot.defended_ms < kIntervalMs) return false;
    slot = {now_ms, true};
    return true;
  }

 private:
  static constexpr size_t kSlots = 4096;
  struct Slot {
    uint32_t defended_ms = 0;
    bool is_used = false;
  };
  using Slots = std::array<Slot, kSlots>;

  lb::FlowHash hash_;
  std::unique_ptr<Slots> slots_;
};

}  // namespace sluice::dataplane
