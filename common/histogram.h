// A histogram that one thread writes and any thread reads, with the buckets that Prometheus wants.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/check.h"
#include "common/counter.h"

namespace sluice {

/// What a reader saw: `buckets[i]` counts the values up to `bounds[i]` and above the bound before; the last
/// bucket has no bound.
struct HistogramReading {
  static constexpr size_t kMostBounds = 20;
  std::span<const uint64_t> bounds;
  std::array<uint64_t, kMostBounds + 1> buckets{};
  uint64_t sum = 0;
  uint64_t count = 0;
};

/// Only the owning thread calls record(); read() is safe anywhere and may lag by a store.
class Histogram {
 public:
  /// `bounds` ascend, at most HistogramReading::kMostBounds; they outlive the histogram.
  explicit Histogram(std::span<const uint64_t> bounds) : bounds_(bounds) {
    check(bounds.size() <= HistogramReading::kMostBounds, "a histogram has a bucket for every bound");
  }

  void record(uint64_t value) {
    size_t bucket = 0;
    while (bucket < bounds_.size() && value > bounds_[bucket]) ++bucket;
    buckets_[bucket].add();
    sum_.add(value);
  }

  HistogramReading read() const {
    HistogramReading reading{.bounds = bounds_};
    for (size_t i = 0; i <= bounds_.size(); ++i) {
      reading.buckets[i] = buckets_[i].read();
      reading.count += reading.buckets[i];
    }
    reading.sum = sum_.read();
    return reading;
  }

 private:
  std::span<const uint64_t> bounds_;
  std::array<Counter, HistogramReading::kMostBounds + 1> buckets_;
  Counter sum_;
};

}  // namespace sluice
