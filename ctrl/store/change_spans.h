// Spans of what is published: compiled, published, and on each worker, below the change that it is a part of.
// Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "ctrl/store/span_queue.h"

namespace sluice::ctrl {

class ChangeSpans {
 public:
  using Time = Span::Time;
  /// A worker that has not come round by then is told of as one that failed.
  static constexpr std::chrono::seconds kPatience{10};

  /// What has been published as number `publication` of the data plane.
  struct Publication {
    std::shared_ptr<OpenSpan> change;  ///< null: nobody wants to know
    Time compile_began, compiled, published;
    uint64_t publication;
    unsigned workers;
    uint64_t tables;  ///< their generation
  };
  void add(Publication publication);
  /// Whether workers are waited for.
  bool is_waiting() const;
  /// Looks who has come round: `taken_by` says which publication a worker has.
  void settle(Time now, const std::function<uint64_t(unsigned worker)>& taken_by);
  /// Lets go of all.
  void give_up();

 private:
  struct Waiting {
    std::shared_ptr<OpenSpan> change;
    Time published;
    uint64_t publication;
    std::vector<bool> has_taken;
  };
  mutable std::mutex mutex_;
  std::vector<Waiting> waiting_;
};

}  // namespace sluice::ctrl
