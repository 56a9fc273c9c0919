// Everything that picks a backend of one pool for one protocol: the Maglev slots, and the weighted
// schedule of the other policies. Immutable after build(); shared between generations of Tables.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/siphash.h"
#include "lb/backend.h"
#include "lb/maglev.h"

namespace sluice::lb {

class PoolTable {
 public:
  /// Which of the two structures the services of this pool need; the Maglev slots are always built
  /// (`service.table` shows them), the schedule only where PolicyRow::uses_schedule holds of one of them.
  struct Needs {
    bool schedule = false;
  };
  /// `index` is this table's own number (below kMaxPools), which worker state is indexed by.
  static std::shared_ptr<const PoolTable> build(uint32_t index, std::span<const WeightedEndpoint> eligible,
                                                uint32_t table_size, const SipKey& key, Needs needs);

  bool empty() const { return candidates_.empty(); }
  uint32_t index() const { return index_; }
  /// Maglev slots; its size is the table size, or 0 with no eligible backend.
  std::span<const BackendId> slots() const { return slots_; }
  /// Each backend as often as its weight demands, interleaved as smoothly as can be: build_schedule().
  std::span<const BackendId> schedule() const { return schedule_; }
  /// The eligible backends, sorted by endpoint.
  std::span<const WeightedEndpoint> candidates() const { return candidates_; }
  /// How many slots each of candidates() has, in the same order.
  std::span<const uint32_t> slot_counts() const { return slot_counts_; }

  static constexpr size_t kMaxSchedule = 65536;

 private:
  uint32_t index_ = 0;
  std::vector<WeightedEndpoint> candidates_;
  std::vector<BackendId> slots_;
  std::vector<BackendId> schedule_;
  std::vector<uint32_t> slot_counts_;
};

}  // namespace sluice::lb
