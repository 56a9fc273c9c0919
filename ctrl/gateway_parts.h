// What a Gateway is made of; for gateway*.cpp alone.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/backend_statuses.h"
#include "ctrl/busy_ratios.h"
#include "ctrl/gateway.h"
#include "ctrl/health/transition_log.h"
#include "ctrl/ledger_questions.h"
#include "ctrl/log.h"
#include "ctrl/notice_log.h"
#include "ctrl/worker_questions.h"
#include "ledger/file_system.h"

namespace sluice::ctrl {

/// A step from the present state to the next.
struct Step {
  enum class Mode : uint8_t {
    kTake,
    kRehearse,
    kTakeUnlessFlowsEnd,  ///< rehearse it where flows may end, so that they can be counted first
  };
  std::shared_ptr<const Model> model;
  std::vector<std::string> touched_pools = {};
  std::vector<BackendKey> flushed = {};
  Mode mode = Mode::kTake;
};

struct Gateway::Parts {
  std::vector<dataplane::PortInfo> ports;
  std::vector<unsigned> balancers;  ///< the workers that have flows
  IdRegistry ids;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const dataplane::Tables> tables;
  BackendStatuses statuses;
  TransitionLog transition_log;
  ConfigHistory history{kHistory};
  SipKey kept_hash_key;
  uint64_t generation = 0;  ///< of the configuration; Tables have their own
  bool last_apply_succeeded = true;
  bool is_stopping = false;
  std::function<void()> listener;
  TargetTotals<std::string> service_totals;
  TargetTotals<BackendKey> backend_totals;
  BusyRatios busy_ratios;
  NoticeLog notice_log{[](const std::string& line) { log_data_plane(dataplane::LogLevel::kWarning, line); }};
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
  Outcome<ApplyResult> take(std::shared_ptr<const Model> next, const std::string& author, Step::Mode mode);
  /// The model of a configuration that may be applied.
  struct Admitted {
    std::shared_ptr<const Model> model;
    std::vector<Fault> warnings;
  };
  Outcome<Admitted> admit(const nlohmann::json& config, const ApplyOptions& options) const;
  Outcome<void> check_generation(const std::optional<uint64_t>& wanted) const;

  /// take() for a new configuration, once the flows that it ends are counted.
  void take_counted(std::shared_ptr<const Model> next, const ApplyOptions& options,
                    Gateway::ApplyAnswer answer);
  /// Whether any flow may end with those Tables, which were compiled from the present ones: cheap, and true
  /// too often.
  bool may_end_flows(const dataplane::Tables& next) const;
  using FlowsCut = std::optional<std::map<std::string, uint64_t>>;
  /// Asks the workers how many would; nothing where they do not answer in time.
  void count_flows_cut(std::shared_ptr<const dataplane::Tables> next, std::function<void(FlowsCut)> answer);

  /// Opens the log that the started data plane writes.
  Result<void> open_log();
  const PoolModel* pool(const std::string& name) const;
  Totals count_service(lb::ServiceId id) const;
  Totals count_backend(lb::BackendId id) const;
  /// Makes what `statuses` was told final; `model` is that of the step.
  void commit_statuses();
  void collect_numbers();
  void watch_workers();
  void log_notices();
};

}  // namespace sluice::ctrl
