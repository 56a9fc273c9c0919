// `ledger.source_rate`: how many transactions each source may send. One per hash worker (transactions are
// steered by source, so each meets one object); bounded; nothing is allocated after construction.
#pragma once

#include <cstdint>
#include <vector>

#include "common/address.h"
#include "common/siphash.h"
#include "ledger/source_prefixes.h"

namespace sluice::ledger {

/// Token buckets by source over all ingresses, raw ones included. Where there are more sources
/// than `capacity`, the one that was quiet longest in its set of eight is forgotten: it gets a fresh
/// burst, never less than its due.
class SourceRate {
 public:
  /// `rate` is in transactions a second, 1 to 10^9; `burst` in transactions, at least 1.
  SourceRate(uint64_t rate, uint64_t burst, uint32_t capacity, SipKey seed, SourcePrefixes prefixes = {});

  /// Takes one token of that source; false where none is left. `now_ns` is monotonic. Hot path.
  bool admit(const IpAddress& address, uint64_t now_ns);

  /// After how many whole seconds a refused source has a token again, 1 to 60: the Max-Age of 4.29.
  uint8_t retry_seconds() const;

 private:
  static constexpr uint32_t kWays = 8;
  struct Bucket {
    IpAddress source;
    uint64_t full_at_ns = 0;  // when the bucket is full again; 0: not used
  };

  SipKey seed_;
  SourcePrefixes prefixes_;
  uint64_t token_ns_;  // what one token costs
  uint64_t burst_ns_;  // what a full bucket holds
  uint32_t sets_;
  std::vector<Bucket> buckets_;
};

}  // namespace sluice::ledger
