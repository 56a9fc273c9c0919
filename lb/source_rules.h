// What a service lets each of its sources do: rates and a number of flows, held for all workers together. The
// rules are immutable, the tables of sources that they refer to are shared and change.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "common/address.h"
#include "common/siphash.h"
#include "lb/flow_entry.h"
#include "lb/rate.h"
#include "lb/source_table.h"

namespace sluice::lb {

/// A rate for each source. Numbers of the table are times at which a source's bucket is full again: from then
/// on its cell is anybody's, and nothing is forgotten with it. A source that has shared a cell begins with
/// what that owes.
class SourceRate {
 public:
  SourceRate(Rate rate, std::shared_ptr<SourceTable> table)
      : rate_(rate),
        table_(std::move(table)),
        kept_ticks_(kept_ticks_of(rate)),
        most_ahead_(most_ahead_of(rate)) {}

  struct Taken {
    uint64_t tokens = 0;
    uint64_t full_at = 0;  ///< what the source's number is with that
  };
  /// Takes up to `wanted` tokens, 1 at least; answers how many.
  Taken take_some(uint64_t hash, uint64_t now_ns, uint64_t wanted) const {
    const uint64_t now = Rate::units(now_ns);
    Taken taken;
    const auto change = [&](uint64_t full_at) -> std::optional<uint64_t> {
      taken.tokens = std::min(rate_.available(full_at, now), wanted);
      if (taken.tokens == 0) return std::nullopt;
      return taken.full_at = rate_.after_taking(full_at, now, taken.tokens);
    };
    const auto result = table_->update(hash, change, first_number, IsFullAt{now});
    return result == SourceTable::Result::kRefused ? Taken{} : taken;
  }
  uint64_t take(uint64_t hash, uint64_t now_ns, uint64_t wanted = 1) const {
    return take_some(hash, now_ns, wanted).tokens;
  }
  /// Gives back some of those that were taken at this very time. They are lost where anybody has taken of the
  /// source's since, who may have found its bucket fuller than it would have been; and those that a source
  /// has had of a shared cell.
  void give_back(uint64_t hash, const Taken& taken, uint64_t tokens) const {
    const auto change = [&](uint64_t full_at) -> std::optional<uint64_t> {
      if (full_at != taken.full_at) return std::nullopt;
      return full_at - tokens * rate_.token;
    };
    table_->adjust(hash, false, change);
  }
  /// Takes one token for a packet of a client's flow: of those that it has taken in advance, or else from the
  /// bucket of its source, together with some for packets to come, as many as it has shown to need. `hash()`
  /// is the source's. What was taken before `since_tick` counts no more: other limits held then. Hot path.
  template <typename Hash>
  bool take(FlowEntry& flow, uint64_t now_ns, uint32_t since_tick, const Hash& hash) const {
    return spend(flow, now_ns, since_tick) || renew(flow, now_ns, hash());
  }
  /// Takes one of those tokens that a flow has taken in advance. False: it has none that counts.
  bool spend(FlowEntry& flow, uint64_t now_ns, uint32_t since_tick) const {
    if (!may_spend(flow, now_ns, since_tick)) return false;
    flow.lease.left = static_cast<uint16_t>(flow.lease.left - 1u) & 31u;
    return true;
  }
  /// Whether a flow that has to ask the bucket would take none in advance.
  bool takes_singly(const FlowEntry& flow) const {
    return flow.lease.left == 0 && (flow.lease.used < PacketLease::kUsedForEach || most_ahead_ == 0);
  }
  /// Takes a token for a packet of each of several such flows of one source, eight at most, as if one after
  /// the other asked. Answers for how many of them there was one: the first ones. A flow may be there twice.
  size_t take_singly(std::span<FlowEntry* const> flows, uint64_t now_ns, uint64_t hash) const;
  /// Whether a flow has a token left of those that it has taken in advance.
  bool may_spend(const FlowEntry& flow, uint64_t now_ns, uint32_t since_tick) const {
    const uint32_t now = PacketLease::tick(now_ns);
    return flow.lease.left != 0 && now - flow.leased_tick < std::min(kept_ticks_, now - since_tick);
  }
  /// Begins to fetch a source's bucket, for who asks of several sources.
  [[gnu::always_inline]] void fetch(uint64_t hash) const { table_->fetch(hash); }
  bool has_token(uint64_t hash, uint64_t now_ns) const {
    const uint64_t now = Rate::units(now_ns);
    return rate_.has(table_->peek(hash, first_number, IsFullAt{now}), now, 1);
  }
  const std::shared_ptr<SourceTable>& table() const { return table_; }

 private:
  static std::optional<uint64_t> first_number(uint64_t shared) { return shared; }
  struct IsFullAt {
    uint64_t now;
    bool operator()(uint64_t full_at) const { return full_at <= now; }
  };

  /// A sixteenth of the time in which the bucket fills: as long may a token that was taken in advance be
  /// spent. Whoever takes some leaves the bucket at most as full as it is that long before it is full.
  static uint32_t kept_ticks_of(Rate rate) {
    constexpr uint64_t kMost = 1u << 20;
    return static_cast<uint32_t>(std::min(rate.capacity / 16 / kUnitsPerTick, kMost));
  }
  static uint32_t most_ahead_of(Rate rate) {
    constexpr uint64_t kPartOfBurst = 32;
    return static_cast<uint32_t>(
        std::min<uint64_t>(rate.capacity / rate.token / kPartOfBurst, PacketLease::kMostAhead));
  }
  bool renew(FlowEntry& flow, uint64_t now_ns, uint64_t hash) const;
  uint64_t take_in_advance(uint64_t hash, uint64_t now_ns, uint64_t wanted) const;

  static constexpr uint64_t kUnitsPerTick = Rate::kUnitsPerNs << PacketLease::kTickBits;

  Rate rate_;
  std::shared_ptr<SourceTable> table_;
  uint32_t kept_ticks_;
  uint32_t most_ahead_;
};

/// How many flows each source has. Numbers of the table are flows. As long as any source has flows in a
/// shared cell, others of its hash begin there too: so nobody has more than `most` in two cells together.
class SourceFlows {
 public:
  /// `epoch`, 1 to 127, tells the flows that this table counts from those that another did.
  SourceFlows(uint32_t most, std::shared_ptr<SourceTable> table, uint8_t epoch)
      : most_(most), table_(std::move(table)), epoch_(epoch) {}

  /// Counts one more unless there are as many as there may be: then nothing. Else FlowEntry::source_mark.
  std::optional<uint8_t> begin(uint64_t hash) const { return add(hash, most_); }
  /// The same, however many there are; 0 where it cannot be counted.
  uint8_t begin_anyway(uint64_t hash) const { return add(hash, UINT32_MAX).value_or(0); }
  /// A flow with that mark has ended; marks of other tables are ignored.
  void end(uint64_t hash, uint8_t mark) const {
    if (mark >> 1 != epoch_) return;
    table_->adjust(hash, (mark & kShared) != 0, [](uint64_t flows) -> std::optional<uint64_t> {
      if (flows == 0) return std::nullopt;
      return flows - 1;
    });
  }
  bool has_room(uint64_t hash) const { return table_->peek(hash, first_number, is_zero) < most_; }
  bool counted(uint8_t mark) const { return mark >> 1 == epoch_; }
  const std::shared_ptr<SourceTable>& table() const { return table_; }
  uint8_t epoch() const { return epoch_; }

 private:
  static constexpr uint8_t kShared = 1;
  std::optional<uint8_t> add(uint64_t hash, uint32_t most) const {
    const auto change = [most](uint64_t flows) -> std::optional<uint64_t> {
      if (flows >= most) return std::nullopt;
      return flows + 1;
    };
    const auto result = table_->update(hash, change, first_number, is_zero);
    if (result == SourceTable::Result::kRefused) return std::nullopt;
    const bool is_shared = result == SourceTable::Result::kDoneShared;
    return static_cast<uint8_t>(epoch_ << 1 | (is_shared ? kShared : 0));
  }
  static std::optional<uint64_t> first_number(uint64_t shared) {
    if (shared != 0) return std::nullopt;
    return 0;
  }
  static bool is_zero(uint64_t flows) { return flows == 0; }

  uint32_t most_;
  std::shared_ptr<SourceTable> table_;
  uint8_t epoch_;
};

struct SourceRules {
  uint8_t prefix4 = 32;  ///< all addresses of such a prefix are one source
  uint8_t prefix6 = 64;
  SipKey key;  ///< of hashes: secret, so that nobody can make sources meet
  std::optional<SourceRate> new_flows = {};
  std::optional<SourceRate> packets = {};
  std::optional<SourceFlows> flows = {};

  uint64_t hash(const IpAddress& address) const {
    const auto hash_from = [this](const IpAddress& source, size_t first) {
      return siphash24(key, source.bytes().data() + first, source.bytes().size() - first);
    };
    // Eight bytes have all of an IPv4 address; no sixteen of IPv6 are hashed as eight are.
    if (address.is_v4()) return hash_from(prefix4 == 32 ? address : mask(address, prefix4), 8);
    return hash_from(mask(address, prefix6), 0);
  }
};

}  // namespace sluice::lb
