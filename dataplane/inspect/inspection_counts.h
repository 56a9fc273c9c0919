// What an inspection has counted, generation after generation of its rules: each worker writes its own part,
// any thread reads. Made by the control side, shared by all generations that have the same name.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/counter.h"
#include "common/result.h"
#include "dataplane/base/mapped_array.h"

namespace sluice::dataplane {

class InspectionCounts {
 public:
  /// Rules are counted by place; a rule keeps its place as long as there are others free for new ones.
  static constexpr uint32_t kPlaces = 1u << 16;

  struct alignas(64) OfWorker {
    Counter scanned_bytes;
    Counter held_dropped;
    Counter ambiguous;
    Counter streams_exceeded;
    Gauge open_streams;  ///< of all generations
    std::span<Counter> matches;
  };

  static Result<std::shared_ptr<InspectionCounts>> create(unsigned workers) {
    auto places = MappedArray<Counter>::create(size_t{kPlaces} * workers, -1, false);
    if (!places) return tl::unexpected(places.error());
    return std::shared_ptr<InspectionCounts>(new InspectionCounts(std::move(*places), workers));
  }

  /// `worker` is its place among those that balance.
  OfWorker& of(unsigned worker) { return workers_[worker]; }
  const std::vector<OfWorker>& workers() const { return workers_; }
  uint64_t matches(uint32_t place) const {
    uint64_t sum = 0;
    for (const OfWorker& worker : workers_) sum += worker.matches[place].read();
    return sum;
  }

 private:
  InspectionCounts(MappedArray<Counter> places, unsigned workers)
      : places_(std::move(places)), workers_(workers) {
    for (unsigned i = 0; i < workers; ++i) {
      workers_[i].matches = places_.elements().subspan(size_t{i} * kPlaces, kPlaces);
    }
  }

  MappedArray<Counter> places_;
  std::vector<OfWorker> workers_;
};

}  // namespace sluice::dataplane
