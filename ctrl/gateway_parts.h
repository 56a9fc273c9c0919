// What a Gateway is made of; for gateway*.cpp alone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/backend_statuses.h"
#include "ctrl/busy_ratios.h"
#include "ctrl/gateway.h"
#include "ctrl/ledger_questions.h"
#include "ctrl/worker_questions.h"
#include "ledger/file_system.h"

namespace sluice::ctrl {

/// A step from the present state to the next.
struct Step {
  std::shared_ptr<const Model> model;
  std::vector<std::string> touched_pools = {};
  std::vector<BackendKey> flushed = {};
  bool dry_run = false;
};

struct Gateway::Parts {
  std::vector<dataplane::PortInfo> ports;
  std::vector<unsigned> balancers;  ///< the workers that have flows
  IdRegistry ids;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const dataplane::Tables> tables;
  BackendStatuses statuses;
  ConfigHistory history{kHistory};
  uint64_t generation = 0;  ///< of the configuration; Tables have their own
  bool last_apply_succeeded = true;
  std::function<void()> listener;
  TargetTotals<std::string> service_totals;
  TargetTotals<BackendKey> backend_totals;
  BusyRatios busy_ratios;
  WorkerQuestions questions;
  LedgerQuestions ledger_questions;
  ledger::PosixFileSystem files;
  std::optional<ledger::LogReader> log;  ///< reads through `files`
  /// Last, so that workers have stopped before what they use goes.
  std::unique_ptr<dataplane::DataPlane> data_plane;

  /// Compiles and publishes, or only says what that would do. What `statuses` was told before is part of
  /// the step: it is made final or taken back with it.
  Outcome<ApplyResult> take(const Step& step);
  /// The same for a new configuration, which the history remembers.
  Outcome<ApplyResult> take(std::shared_ptr<const Model> next, const std::string& author, bool dry_run);

  /// Opens the log that the started data plane writes.
  Result<void> open_log();
  const PoolModel* pool(const std::string& name) const;
  Totals count_service(lb::ServiceId id) const;
  Totals count_backend(lb::BackendId id) const;
  void collect_numbers();
  void watch_workers();
};

}  // namespace sluice::ctrl
