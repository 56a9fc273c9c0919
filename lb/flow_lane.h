// The way of a worker's flow records to the thread that reads them. Bounded: what finds no room is counted.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "common/counter.h"
#include "common/spsc_ring.h"
#include "lb/flow_record.h"

namespace sluice::lb {

struct FlowLane {
  static constexpr size_t kRecords = size_t{1} << 16;  ///< more than a second of 50,000 flows

  SpscRing<FlowRecord> ring{kRecords};
  std::array<Counter, kFlowReaders> lost{};  ///< by reader. The worker adds, any thread reads
  std::atomic<uint64_t> pushed{0};           ///< records, by the worker
  std::atomic<uint64_t> named{0};            ///< of those, by the reader: whose names it knows

  /// False: there is no room, and nothing is counted yet.
  bool push(const FlowRecord& record) {
    if (!ring.push(record)) return false;
    pushed.store(pushed.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    return true;
  }
  void count_lost(uint8_t readers) {
    for (size_t i = 0; i < kFlowReaders; ++i) {
      if ((readers >> i & 1) != 0) lost[i].add();
    }
  }
};

}  // namespace sluice::lb
