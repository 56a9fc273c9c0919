// Questions to workers on their way: asked, awaited, answered or given up. Control thread, but that any may
// ask.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "dataplane/roles/dataplane.h"

namespace sluice::ctrl {

/// Keeps every request until its worker is done with it, whatever the asker does: destroy it only after
/// the data plane has stopped.
class WorkerQuestions {
 public:
  static constexpr size_t kMostAtOnce = 64;
  static constexpr std::chrono::seconds kPatience{5};

  /// `parts` were answered, one request each; null: the data plane did not answer in time.
  using Requests = std::vector<std::unique_ptr<dataplane::WorkerRequest>>;
  using Finish = std::function<void(Requests* parts)>;

  /// Puts requests[i] before workers[i] at the next poll(). False: too many questions are on their way, or
  /// nobody will answer any more; `finish` is dropped. Any thread.
  bool ask(Requests requests, std::vector<unsigned> workers, Finish finish);
  /// Sends what a full ring did not take before, and calls `finish` for what is answered or overdue.
  void poll(dataplane::DataPlane& data_plane);
  /// Nobody will answer any more, what is asked later neither.
  void give_up();

 private:
  struct Question {
    Requests requests;
    std::vector<unsigned> workers;
    size_t sent = 0;
    Finish finish;  ///< empty: the asker has given up
    std::chrono::steady_clock::time_point deadline;
    bool is_done() const;
  };
  void take_asked();

  std::vector<std::unique_ptr<Question>> questions_;
  std::mutex mutex_;  ///< of what follows
  std::vector<std::unique_ptr<Question>> asked_;
  size_t under_way_ = 0;
  bool has_ended_ = false;
};

}  // namespace sluice::ctrl
