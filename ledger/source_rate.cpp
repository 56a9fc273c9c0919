#include "ledger/source_rate.h"

#include <algorithm>
#include <bit>

namespace sluice::ledger {

// The generic cell rate algorithm (ITU-T I.371) in its virtual-scheduling form: a bucket is one time.
SourceRate::SourceRate(uint64_t rate, uint64_t burst, uint32_t capacity, SipKey seed, SourcePrefixes prefixes)
    : seed_(seed),
      prefixes_(prefixes),
      token_ns_(std::max<uint64_t>(1'000'000'000 / rate, 1)),
      burst_ns_(burst * token_ns_),
      sets_(std::bit_ceil(std::max(capacity / kWays, 1u))),
      buckets_(size_t{sets_} * kWays) {}

bool SourceRate::admit(const IpAddress& address, uint64_t now_ns) {
  const IpAddress source = prefixes_.of(address);
  const uint64_t hash = siphash24(seed_, source.bytes().data(), source.bytes().size());
  Bucket* const set = &buckets_[(hash & (sets_ - 1)) * kWays];
  Bucket* bucket = std::find_if(set, set + kWays, [&](const Bucket& candidate) {
    return candidate.full_at_ns != 0 && candidate.source == source;
  });
  if (bucket == set + kWays) {
    bucket = std::min_element(set, set + kWays, [](const Bucket& left, const Bucket& right) {
      return left.full_at_ns < right.full_at_ns;
    });
    *bucket = {source, 0};
  }
  const uint64_t full_at = std::max(bucket->full_at_ns, now_ns) + token_ns_;
  if (full_at - now_ns > burst_ns_) return false;
  bucket->full_at_ns = full_at;
  return true;
}

uint8_t SourceRate::retry_seconds() const {
  return static_cast<uint8_t>(std::clamp<uint64_t>((token_ns_ + 999'999'999) / 1'000'000'000, 1, 60));
}

}  // namespace sluice::ledger
