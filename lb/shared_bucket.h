// A rate that several workers keep together, exactly, without a lock and without touching shared memory for
// each packet: workers lease tokens in batches (docs/decisions/0028).
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "lb/rate.h"

namespace sluice::lb {

/// In every window of t seconds all workers together take at most rate * t + burst tokens. What workers have
/// leased and not yet used lies in the bucket as far as its filling goes, so that it never holds, with all
/// leases, more than `burst`. Each worker calls with its own number; it alone touches its lease.
class SharedBucket {
 public:
  SharedBucket(Rate rate, unsigned workers);

  /// Takes one token. `now_ns` is monotonic, the same clock for all. Hot path.
  bool take(unsigned worker, uint64_t now_ns) {
    Lease& lease = leases_[worker];
    if (lease.left == 0 && !renew(lease, now_ns)) return false;
    if (--lease.left == 0 && batch_ > 1) settle(lease, now_ns);
    return true;
  }
  /// Whether `tokens` of them can be taken one after the other at this time, because the worker has leased as
  /// many. False says nothing where they are more than a lease is. Hot path.
  bool has_leased(unsigned worker, uint64_t now_ns, uint32_t tokens) {
    Lease& lease = leases_[worker];
    return lease.left >= tokens || (tokens <= batch_ && renew(lease, now_ns) && lease.left >= tokens);
  }
  /// Takes as many, once has_leased() has said that it may.
  void spend(unsigned worker, uint64_t now_ns, uint32_t tokens) {
    Lease& lease = leases_[worker];
    lease.left -= tokens;
    if (lease.left == 0) settle(lease, now_ns);
  }
  /// What take() would answer, without a trace.
  bool has_token(unsigned worker, uint64_t now_ns) const {
    return leases_[worker].left != 0 || has_token_for(leases_[worker], now_ns);
  }

 private:
  /// A lease is a small part of the burst, so that what idle workers keep is of no account. Where the burst
  /// is small it is a single token, which is used at once.
  static constexpr uint64_t kPartOfBurst = 16;
  static constexpr uint64_t kMostInLease = 64;

  struct alignas(64) Lease {
    std::atomic<uint32_t> held{0};  ///< others read it: granted, and not yet settled
    uint32_t left = 0;              ///< of it; the worker's own
    uint64_t none_before_ns = 0;    ///< the worker's own: before that there is no token for anybody
  };

  bool has_token_for(const Lease& lease, uint64_t now_ns) const;
  bool renew(Lease& lease, uint64_t now_ns);
  void settle(Lease& lease, uint64_t now_ns);
  uint64_t held_by_all_but(const Lease* lease) const;

  Rate rate_;
  uint32_t batch_;
  alignas(64) std::atomic<uint64_t> full_at_{0};  ///< in units of Rate
  std::vector<Lease> leases_;
};

}  // namespace sluice::lb
