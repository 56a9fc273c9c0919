#include "lb/source_rules.h"

namespace sluice::lb {

/// What a flow has lost by waiting too long counts against what it may take in advance from now on.
bool SourceRate::renew(FlowEntry& flow, uint64_t now_ns, uint64_t hash) const {
  constexpr unsigned kUsedForEach = PacketLease::kUsedForEach;
  PacketLease& lease = flow.lease;
  unsigned used = lease.used;
  used -= std::min(used, lease.left * kUsedForEach);
  const uint64_t taken = take_in_advance(hash, now_ns, 1 + std::min(used / kUsedForEach, most_ahead_));
  used = std::min(used + static_cast<unsigned>(taken), PacketLease::kMostUsed);
  lease.used = static_cast<uint16_t>(used) & 0x7ffu;
  lease.left = taken == 0 ? uint16_t{0} : static_cast<uint16_t>(taken - 1) & 31u;
  flow.leased_tick = PacketLease::tick(now_ns);
  return taken != 0;
}

size_t SourceRate::take_singly(std::span<FlowEntry* const> flows, uint64_t now_ns, uint64_t hash) const {
  const uint64_t now = Rate::units(now_ns), wanted = flows.size();
  uint64_t taken = 0;
  const auto change = [&](uint64_t full_at) -> std::optional<uint64_t> {
    taken = rate_.has(full_at, now, wanted) ? wanted : rate_.available(full_at, now);
    if (taken == 0) return std::nullopt;
    return rate_.after_taking(full_at, now, taken);
  };
  const auto result = table_->update(hash, change, first_number, IsFullAt{now});
  if (result == SourceTable::Result::kRefused) return 0;
  for (FlowEntry* const flow : flows.first(taken)) {
    const unsigned used = std::min(flow->lease.used + 1u, PacketLease::kMostUsed);
    flow->lease.used = static_cast<uint16_t>(used) & 0x7ffu;
  }
  return taken;
}

/// A token that is spent later than it was taken may be spent beside all those that the bucket has gained by
/// then. So whoever takes any in advance first pours away what the bucket would gain beyond its burst for as
/// long as they may be spent.
uint64_t SourceRate::take_in_advance(uint64_t hash, uint64_t now_ns, uint64_t wanted) const {
  const uint64_t now = Rate::units(now_ns);
  uint64_t taken = 0;
  const auto change = [&](uint64_t full_at) -> std::optional<uint64_t> {
    if (wanted > 1) {
      const uint64_t poured = std::max(full_at, now + kept_ticks_ * kUnitsPerTick);
      taken = std::min(rate_.available(poured, now), wanted);
      if (taken > 1) return rate_.after_taking(poured, now, taken);
    }
    taken = rate_.has(full_at, now, 1) ? 1 : 0;
    if (taken == 0) return std::nullopt;
    return rate_.after_taking(full_at, now, 1);
  };
  const auto result = table_->update(hash, change, first_number, IsFullAt{now});
  return result == SourceTable::Result::kRefused ? 0 : taken;
}

}  // namespace sluice::lb
