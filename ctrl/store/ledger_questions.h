// Questions to the ledger ingress on their way: asked, awaited, answered or given up. Control thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include "dataplane/roles/ledger_plane.h"

namespace sluice::ctrl {

/// Keeps every request until the ledger is done with it, whatever the asker does: destroy it only after the
/// data plane has stopped.
class LedgerQuestions {
 public:
  static constexpr size_t kMostAtOnce = 256;
  static constexpr std::chrono::seconds kPatience{10};

  using Question = decltype(dataplane::LedgerRequest::question);
  /// `answered` holds the answer and is the callee's; null: there was none in time.
  using Finish = std::function<void(Question* answered)>;

  /// False: too many questions are on their way, `finish` is dropped.
  bool ask(Question question, Finish finish);
  /// Sends what a full ring did not take before, and calls `finish` for what is answered or overdue.
  void poll(dataplane::LedgerPlane& ledger);
  /// Delivers what is answered; for the rest nobody will answer any more.
  void give_up();

 private:
  struct Pending {
    dataplane::LedgerRequest request;
    bool sent = false;
    Finish finish;  ///< empty: the asker has given up
    std::chrono::steady_clock::time_point deadline;
    bool is_done() const { return request.done.load(std::memory_order_acquire); }
  };

  void deliver(std::chrono::steady_clock::time_point now);

  std::vector<std::unique_ptr<Pending>> pending_;
};

}  // namespace sluice::ctrl
