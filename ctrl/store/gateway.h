// The one place that changes what the gateway does: owns the intent and its history, all that is observed,
// what counts, and the data plane. The control socket, the health checks, the sources, SIGHUP and the metrics
// all go through it.
//
// Any thread may call, but for what says otherwise. What changes or looks things up by name may wait for a
// compilation that another thread runs: the control loop calls only what is marked *never waits*.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/flow_key.h"
#include "common/result.h"
#include "common/siphash.h"
#include "ctrl/intent/fault.h"
#include "ctrl/intent/model.h"
#include "ctrl/store/target_totals.h"
#include "lb/backend.h"
#include "lb/service.h"
#include "ledger/profile.h"

// What callers ask for, they include.
namespace sluice::lb {
class PoolTable;
}
namespace sluice::ledger {
struct Answer;
}
namespace sluice::dataplane {
class CheckLanes;
class DataPlane;
class FlowLanes;
class LedgerPlane;
enum class DropReason : uint8_t;
struct Captures;
struct Explanation;
struct FlowSnapshot;
struct LocateRequest;
struct Tables;
}  // namespace sluice::dataplane

namespace sluice::ctrl {

class ChangeLog;
class EventHub;
class IdRegistry;
class OpenSpan;
class SpanQueue;
class TimeSource;
enum class ChangeCause : uint8_t;
struct BackendStatus;
struct Change;
struct DiffEntry;
struct Effective;
struct HistoryEntry;
struct InspectionReading;
struct InspectionRow;
struct PoolAvailability;
struct RecentDrop;
struct SetReading;
struct SetRow;
struct SourceRow;
struct SourceWord;
struct KernelAssociations;
struct TunnelRekey;
struct TunnelRow;

struct ApplyOptions {
  std::optional<uint64_t> if_generation = {};
  bool dry_run = false;
  bool allow_no_services = false;  ///< else an apply that would take away all services is refused
  std::string author = {};         ///< "file", or the peer's user
  /// Taken back by itself unless it is confirmed within that time. Nothing: it holds.
  std::optional<std::chrono::milliseconds> confirm = {};
  /// That tells of the request; of a `config.apply` it is the span of the change. Null: the change has its
  /// own.
  std::shared_ptr<OpenSpan> span = {};
};

struct ApplyResult {
  uint64_t generation = 0;
  std::vector<std::string> changed = {};
  std::map<std::string, double> disruption = {};
  /// By service, where it is one at least: how many flows end or move. Nothing: they were not counted.
  std::optional<std::map<std::string, uint64_t>> flows_cut = {};
  bool is_applied = false;                               ///< and not only rehearsed
  std::shared_ptr<const dataplane::Tables> tables = {};  ///< what was compiled for it
  std::vector<Fault> warnings = {};                      ///< what was applied, and yet is hardly meant
  /// It is taken back then, unless it is confirmed. Nothing: it holds.
  std::optional<std::chrono::system_clock::time_point> confirm_by = {};
};

/// One row of backend.list.
struct BackendRow {
  BackendKey key;
  lb::BackendState state;
  std::string reason;
  std::chrono::system_clock::time_point since;
  uint32_t weight;
  std::string origin;  ///< "file", or the source's name
  double share;        ///< of the pool's slots (the first protocol's table, where services use both)
  Totals totals;       ///< with those of retired numbers of the same name
};

/// What backend.quiet answers.
struct QuietAnswer {
  bool quiet = false;       ///< no worker can begin a flow to it any more
  uint64_t generation = 0;  ///< of the Tables that say so
  uint64_t active_flows = 0;
  bool gone = false;  ///< and its last flow has ended
};

class Gateway {
 public:
  static constexpr size_t kHistory = 20;
  /// Publications are at least so far apart, and one at a time is on its way to the workers: what comes
  /// meanwhile is published together.
  static constexpr std::chrono::milliseconds kBetweenPublications{10};

  /// Creates the data plane for the model's boot section, compiles and starts. An Error is one line.
  /// `kept_hash_key` counts as long as the configuration has none. The history of configurations goes on in
  /// `history_directory`; empty: it is of this process alone. `time` outlives the gateway; null: the
  /// machine's.
  /// `reading_began`: when somebody began to read the configuration, for the span of it.
  static Result<std::unique_ptr<Gateway>> start(
      Model model, std::string author, SipKey kept_hash_key = {}, const std::string& history_directory = {},
      TimeSource* time = nullptr, std::optional<std::chrono::system_clock::time_point> reading_began = {});
  ~Gateway();

  // Configuration. All or nothing: on a Refusal nothing has changed. A configuration whose boot settings
  // (`gateway`, `ports`, `control`, `http`, `ledger`) differ is refused whole, a dry run too; diff() says
  // which do. One that says the same as what is applied makes no generation.
  Outcome<ApplyResult> apply(const nlohmann::json& config, const ApplyOptions& options);
  /// The same, once the workers have counted the flows that it ends: `answer` is called during the call where
  /// there can be none, else later on the thread of resume_by(). Other changes may come between.
  using ApplyAnswer = std::function<void(Outcome<ApplyResult>)>;
  void apply(const nlohmann::json& config, const ApplyOptions& options, ApplyAnswer answer);
  /// The part of apply() that may take long, for its rules are compiled: it keeps nobody else waiting.
  struct Preparation;
  using Prepared = Outcome<std::shared_ptr<const Preparation>>;
  Prepared prepare(const nlohmann::json& config, const ApplyOptions& options);
  /// The same of rollback().
  Prepared prepare_rollback(uint64_t generation, const ApplyOptions& options);
  /// The rest of it.
  void apply(std::shared_ptr<const Preparation> prepared, const ApplyOptions& options, ApplyAnswer answer);
  /// A configuration that could not even be read was to be applied: `lines` say what is wrong with it.
  void note_unreadable(const std::vector<std::string>& lines);
  Outcome<std::vector<DiffEntry>> diff(const nlohmann::json& config) const;
  Outcome<ApplyResult> rollback(uint64_t generation, const std::string& author);
  void rollback(uint64_t generation, const std::string& author, ApplyAnswer answer,
                std::shared_ptr<OpenSpan> span = {});
  std::vector<HistoryEntry> history();
  /// That generation, which was to be confirmed, holds.
  Outcome<void> confirm(uint64_t generation);
  /// Has the history on disk be what history() says. On a thread that may wait.
  void keep_history();
  /// Of the configuration: what health, an operator's states and flushes do to Tables leaves it as it is.
  /// Never waits, nor do the next four.
  uint64_t generation() const;
  bool last_apply_succeeded() const;
  /// The intent: what people applied.
  std::shared_ptr<const Model> intent() const;
  /// The intent, and the services and pools that `services_from` brings.
  std::shared_ptr<const Model> model() const;
  /// What counts: the intent, and its pools with all their members.
  std::shared_ptr<const Effective> effective() const;
  nlohmann::json configuration() const;  ///< what is applied, defaults filled in

  // Backends at run time. Neither weight nor state is the configuration's: a state stays as long as the
  // backend; a weight until a configuration with another one is applied, or its source names another one.
  Outcome<ApplyResult> set_backend(const BackendKey& key, std::optional<uint32_t> weight,
                                   std::optional<AdminState> state);
  /// What a health check found: `reason` is for people ("connection refused"), also of what did not change.
  void set_health(const BackendKey& key, bool healthy, const std::string& reason);
  /// Several results at once make new Tables once.
  struct HealthResult {
    BackendKey key;
    bool healthy;
    std::string reason;
    bool known = true;  ///< false: the check could not be made, and `healthy` is what was found last
  };
  void set_health(const std::vector<HealthResult>& results);
  /// What time and handshakes do to backends: slow starts go on, outliers are ejected and come back. Often,
  /// on a thread that may wait.
  void mind_backends();

  // Sources.
  /// What they say; several words make new Tables once.
  void observe(std::vector<SourceWord> words);
  /// Lets through what a guard holds back, in a pool or in all of the source; answers the pools.
  Outcome<std::vector<std::string>> release_source(const std::string& source,
                                                   const std::optional<std::string>& pool);
  /// Waits while words are taken in, but for no compilation.
  std::vector<SourceRow> sources() const;
  /// Those that have not answered once for every pool.
  std::vector<std::string> unanswered_sources() const;
  /// What time does to them: silence, outages that are too long, withdrawn backends whose last flow has
  /// ended. Every now and then, on a thread that may wait.
  void mind_sources();

  // Sets.
  /// What their files have now; what is no better than before leaves the old content. On a thread that may
  /// wait.
  void observe(std::vector<SetReading> readings);
  std::vector<SetRow> sets() const;

  // Inspections.
  /// Compiles what has not been compiled yet, at the start. On a thread of its own: it may take a while.
  void compile_inspections();
  /// What their files have now, compiled; what failed leaves the old rules. On a thread that may wait.
  void observe(std::vector<InspectionReading> readings);
  std::vector<InspectionRow> inspections() const;
  /// Those whose rules are not compiled yet, and why. Never waits.
  std::vector<std::string> unready_inspections() const;

  // ESP tunnels.
  /// Gives a tunnel other security associations; its configuration stays as it is. Faults point into the
  /// request's `in` and `out`. Waits for the disk.
  Outcome<void> rekey_tunnel(TunnelRekey rekey);
  /// What the kernel's key manager has agreed on, for tunnels with `keys: kernel`: all that there is.
  void follow_kernel_keys(KernelAssociations all);
  /// Never waits.
  std::vector<TunnelRow> tunnels() const;
  /// What time does to them: overlaps end, associations expire, states change. Every now and then, on a
  /// thread that may wait.
  void mind_tunnels();

  /// Calls `reply` once a backend is quiet, or gone, or the time is over; during the call where that is so
  /// already. One that was there once, and is forgotten, is gone.
  using QuietReply = std::function<void(Outcome<QuietAnswer>)>;
  static constexpr size_t kMostQuietWaits = 1000;
  void await_quiet(const BackendKey& key, bool until_gone, std::chrono::milliseconds timeout,
                   QuietReply reply);
  /// Looks who need not wait any more. Often, on a thread that may wait.
  void answer_quiet();

  /// How far changes have come; newest first. Never waits.
  std::vector<Change> changes(size_t limit, std::optional<ChangeCause> cause) const;
  const ChangeLog& change_log() const;

  /// Ends the flows of a backend on every worker: they are picked anew with their next packet.
  Outcome<void> flush_flows(const BackendKey& key);
  /// As they were when a change was published last. Pool by pool: a change may come between two of them.
  /// Never waits.
  Outcome<std::vector<BackendRow>> backends(const std::optional<std::string>& pool) const;
  /// Of a pool, the same: how many backends it lists, and how many of them take new flows. Never waits.
  PoolAvailability availability(const std::string& pool) const;
  /// Nothing: there is no such backend any more.
  std::optional<BackendStatus> status_of(const BackendKey& key) const;

  /// Called after every publication, on the thread that made it, so that health checks follow the model. It
  /// must not wait for this object. Set it before other threads call.
  void on_change(std::function<void()> listener);

  /// Who goes on with a change for which workers were asked: the control thread, which has their answers,
  /// must not. Without it the control thread does. Set it before other threads call.
  void resume_by(std::function<void(std::function<void()>)> resume);

  // Questions for workers: `answer` is called later on the control thread, from tick(), or during the call
  // where it is a refusal. Explaining never waits.
  using ExplainAnswer = std::function<void(Outcome<dataplane::Explanation>)>;
  void explain(const FlowKey& key, ExplainAnswer answer);
  using FlowsAnswer = std::function<void(Outcome<std::vector<dataplane::FlowSnapshot>>)>;
  void list_flows(std::optional<std::string> service, size_t limit, FlowsAnswer answer);

  // The ledger: null and refusals where the configuration has none. Control thread; never waits.
  const dataplane::LedgerPlane* ledger() const;
  using SubmitAnswer = std::function<void(Outcome<ledger::Answer>)>;
  /// `payload` holds 1 to ledger::kMostPayload bytes.
  void submit(ledger::Profile profile, std::vector<uint8_t> payload, SubmitAnswer answer);
  using LocateAnswer = std::function<void(Outcome<std::optional<uint64_t>>)>;
  /// The leaf index of a transaction that the dedupe window remembers.
  void locate(const dataplane::LocateRequest& wanted, LocateAnswer answer);

  // Names and numbers.
  /// For a thread that knows that no other uses this object.
  const IdRegistry& ids() const;
  /// What numbers stand for now; nothing where they are free, or only wait to be.
  std::optional<std::string> service_name(lb::ServiceId id) const;
  std::optional<BackendKey> backend_name(lb::BackendId id) const;
  struct FlowNames {
    std::optional<std::string> service;
    std::optional<BackendKey> backend;
  };
  /// The same of both, without ever waiting. Nothing: a change is under way; ask again.
  std::optional<FlowNames> names_at_once(lb::ServiceId service, lb::BackendId backend) const;
  /// The names of a flow that a record tells of, which may have left the configuration since. For the one
  /// thread that reads records; may wait for a change.
  struct RecordNames {
    std::string service;
    BackendKey backend;
  };
  RecordNames record_names(lb::ServiceId service, lb::BackendId backend) const;
  /// The way of records from the workers; null before anybody asked for some. Never waits.
  std::shared_ptr<dataplane::FlowLanes> flow_lanes() const;
  /// Never waits, nor does the next.
  Outcome<lb::ServiceId> service_id(const std::string& service) const;
  /// `pool` must be given where the service has several.
  Outcome<std::shared_ptr<const lb::PoolTable>> table_of(
      const std::string& service, const std::optional<std::string>& pool = std::nullopt) const;
  /// Sums over workers, with those of retired numbers of the same name, so that they never go back. That of a
  /// service never waits.
  Totals service_totals(const std::string& service) const;
  Totals backend_totals(const BackendKey& key) const;
  /// To read from: its counters and what it is made of. Never waits.
  const dataplane::DataPlane& data_plane() const;
  /// The packets that were dropped last, of one reason or of all, newest first; `answer` as for the other
  /// questions.
  using DropsAnswer = std::function<void(Outcome<std::vector<RecentDrop>>)>;
  void recent_drops(std::optional<dataplane::DropReason> reason, DropsAnswer answer);
  /// Who wants to know what happens. Any thread may tell.
  EventHub& events();
  const EventHub& events() const;
  /// What happens as spans, for whoever wants them. Any thread.
  SpanQueue& spans();
  const SpanQueue& spans() const;
  /// The captures that run from now on. Control thread.
  void capture(std::shared_ptr<const dataplane::Captures> captures);
  /// The way of health checks through the data plane. Control loop; never waits.
  dataplane::CheckLanes& check_lanes();
  /// The share of the last second in which a worker (numbered as by DataPlane::polls) had packets.
  double busy_ratio(unsigned worker) const;

  /// Retires Tables and delivers answers. Every few milliseconds, on the control thread; never waits.
  void tick();
  /// What has time: collects numbers, frees what is retired, hashes what was applied. Every now and then, on
  /// a thread that may wait.
  void maintain();
  /// Stops the data plane, draining what is in flight. Control thread.
  void stop();

 private:
  Gateway();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::ctrl
