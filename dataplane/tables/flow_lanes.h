// Flow records on their way from the workers to the one thread that reads them, and who reads of which
// flows: published with Tables. The lanes are made once, when somebody asks first, and live as long as
// anybody holds them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "lb/flow_lane.h"

namespace sluice::dataplane {

class FlowLanes {
 public:
  explicit FlowLanes(unsigned workers) {
    for (unsigned i = 0; i < workers; ++i) lanes_.push_back(std::make_unique<lb::FlowLane>());
  }

  lb::FlowLane& of(unsigned worker) const { return *lanes_[worker]; }
  size_t size() const { return lanes_.size(); }

  /// Records of flows in a reader's share that reached nobody: there was no room on the way, or whom they
  /// were for did not take them. Any thread.
  uint64_t lost(lb::FlowReader reader) const {
    uint64_t sum = refused_[static_cast<size_t>(reader)].read();
    for (const auto& lane : lanes_) sum += lane->lost[static_cast<size_t>(reader)].read();
    return sum;
  }
  /// Those of flows that have ended, and reached whom they were for. Any thread.
  uint64_t told(lb::FlowReader reader) const { return told_[static_cast<size_t>(reader)].read(); }
  /// For the thread that reads records.
  void count_told(lb::FlowReader reader, uint64_t records = 1) {
    told_[static_cast<size_t>(reader)].add(records);
  }
  void count_refused(lb::FlowReader reader, uint64_t records = 1) {
    refused_[static_cast<size_t>(reader)].add(records);
  }

  /// How far each worker has come; the names of flows that ended before are needed until has_named().
  std::vector<uint64_t> pushed() const {
    std::vector<uint64_t> all;
    for (const auto& lane : lanes_) all.push_back(lane->pushed.load(std::memory_order_acquire));
    return all;
  }
  bool has_named(const std::vector<uint64_t>& pushed) const {
    for (size_t i = 0; i < lanes_.size(); ++i) {
      if (lanes_[i]->named.load(std::memory_order_acquire) < pushed[i]) return false;
    }
    return true;
  }
  /// Numbers of services and backends stand for something else from now on, maybe: whoever keeps names by
  /// number asks again. Counts up before workers may use them.
  std::atomic<uint64_t> names_version{0};

 private:
  std::vector<std::unique_ptr<lb::FlowLane>> lanes_;  ///< by worker
  std::array<Counter, lb::kFlowReaders> told_{}, refused_{};
};

/// Who reads of which flows. Null in Tables: nobody.
struct FlowReading {
  std::shared_ptr<FlowLanes> lanes;
  lb::FlowShares shares{};
};

}  // namespace sluice::dataplane
