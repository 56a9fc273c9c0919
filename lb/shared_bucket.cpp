#include "lb/shared_bucket.h"

#include <algorithm>

namespace sluice::lb {

SharedBucket::SharedBucket(Rate rate, unsigned workers)
    : rate_(rate),
      batch_(static_cast<uint32_t>(
          std::clamp(rate.capacity / rate.token / (kPartOfBurst * workers), uint64_t{1}, kMostInLease))),
      leases_(workers) {}

uint64_t SharedBucket::held_by_all_but(const Lease* lease) const {
  uint64_t held = 0;
  for (const Lease& other : leases_) {
    if (&other != lease) held += other.held.load(std::memory_order_seq_cst);
  }
  return held;
}

/// The lease is shown before it is granted, and full_at_ is read before the others' leases: so whoever reads
/// too little of a lease finds, when it writes, that full_at_ has changed. full_at_ only ever grows. What is
/// left of the lease before is part of the new one; all of it counts as unused until then, as settle() has
/// it.
bool SharedBucket::renew(Lease& lease, uint64_t now_ns) {
  if (now_ns < lease.none_before_ns) return false;
  const uint64_t now = Rate::units(now_ns);
  const uint32_t before = lease.held.load(std::memory_order_relaxed);
  lease.held.store(batch_ > 1 ? before + batch_ : 0, std::memory_order_seq_cst);
  uint64_t full_at = full_at_.load(std::memory_order_seq_cst);
  while (true) {
    const uint64_t level = std::max(full_at, now + (held_by_all_but(&lease) + before) * rate_.token);
    const uint64_t granted = std::min<uint64_t>(rate_.available(level, now), batch_);
    if (granted == 0) {
      lease.held.store(before, std::memory_order_seq_cst);
      // Nobody gives tokens back, so that none comes before the bucket has filled up by one.
      const uint64_t next = full_at + rate_.token;
      lease.none_before_ns = next > rate_.capacity ? (next - rate_.capacity) / Rate::kUnitsPerNs : 0;
      return false;
    }
    if (full_at_.compare_exchange_weak(full_at, rate_.after_taking(level, now, granted),
                                       std::memory_order_seq_cst)) {
      lease.left += static_cast<uint32_t>(granted);
      if (batch_ > 1) lease.held.store(lease.left, std::memory_order_seq_cst);
      return true;
    }
  }
}

/// Until now the whole lease counted as unused. In the time that it took to use it the bucket may have filled
/// up beside it: that much is poured away.
void SharedBucket::settle(Lease& lease, uint64_t now_ns) {
  const uint64_t least = Rate::units(now_ns) + held_by_all_but(nullptr) * rate_.token;
  uint64_t full_at = full_at_.load(std::memory_order_seq_cst);
  while (full_at < least && !full_at_.compare_exchange_weak(full_at, least, std::memory_order_seq_cst)) {
  }
  lease.held.store(0, std::memory_order_seq_cst);
}

bool SharedBucket::has_token_for(const Lease& lease, uint64_t now_ns) const {
  const uint64_t now = Rate::units(now_ns);
  const uint64_t level =
      std::max(full_at_.load(std::memory_order_seq_cst), now + held_by_all_but(&lease) * rate_.token);
  return rate_.available(level, now) != 0;
}

}  // namespace sluice::lb
