// What a Gateway is made of; for gateway*.cpp alone.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ctrl/intent/config_diff.h"
#include "ctrl/intent/config_hash.h"
#include "ctrl/intent/config_history.h"
#include "ctrl/log/log.h"
#include "ctrl/log/notice_log.h"
#include "ctrl/observed/backend_statuses.h"
#include "ctrl/observed/ejections.h"
#include "ctrl/observed/inspection_contents.h"
#include "ctrl/observed/members.h"
#include "ctrl/observed/set_contents.h"
#include "ctrl/observed/transition_log.h"
#include "ctrl/resolve/compile.h"
#include "ctrl/resolve/effective.h"
#include "ctrl/resolve/id_registry.h"
#include "ctrl/resolve/resolve.h"
#include "ctrl/store/busy_ratios.h"
#include "ctrl/store/change_log.h"
#include "ctrl/store/change_spans.h"
#include "ctrl/store/departed_backends.h"
#include "ctrl/store/event_hub.h"
#include "ctrl/store/flow_marks.h"
#include "ctrl/store/gateway.h"
#include "ctrl/store/history_store.h"
#include "ctrl/store/ledger_questions.h"
#include "ctrl/store/pending_change.h"
#include "ctrl/store/published_backends.h"
#include "ctrl/store/span_queue.h"
#include "ctrl/store/time_source.h"
#include "ctrl/store/worker_questions.h"
#include "dataplane/roles/dataplane.h"
#include "dataplane/tables/tables.h"

namespace sluice::ctrl {

class InspectionCompiler;  // ctrl/store/inspection_compiler.h
class TunnelStates;        // ctrl/tunnel/tunnel_states.h
class TunnelPlan;

/// A step from the present state to the next.
struct Step {
  enum class Mode : uint8_t {
    kTake,
    kRehearse,
    kTakeUnlessFlowsEnd,  ///< rehearse it where flows may end, so that they can be counted first
  };
  std::shared_ptr<const Model> intent;  ///< null: the present one
  std::shared_ptr<const Model> model;   ///< the intent with what `services_from` brings
  MemberLists members;
  std::set<std::string> touched_pools = {};  ///< those of which a status differs
  std::vector<BackendKey> flushed = {};
  /// What tunnels will have, where that differs: their associations, keys read and ranges reserved.
  std::shared_ptr<TunnelPlan> tunnels = {};
  Mode mode = Mode::kTake;
  std::vector<Cause> causes = {};
  SetContents sets = {};  ///< of the model's sets
  InspectionContents inspections = {};
};

/// A configuration that may be applied, and what takes long to make of it, which is only kept here: it is
/// found again where it was compiled.
struct Gateway::Preparation {
  std::shared_ptr<const Model> model;
  std::shared_ptr<OpenSpan> span = {};
  std::vector<Fault> warnings = {};
  InspectionContents inspections = {};
};

/// Somebody who waits for a backend to be quiet, or gone.
struct QuietWait {
  BackendKey key;
  bool until_gone;
  std::chrono::steady_clock::time_point deadline;
  Gateway::QuietReply reply;
};

/// A model with its sets' files as they are now.
Outcome<std::shared_ptr<const Model>> read_sets(std::shared_ptr<const Model> model);
/// The same without what was in them, for those who only remember it.
std::shared_ptr<const Model> without_set_contents(std::shared_ptr<const Model> model);

/// A thread takes locks in the order in which they stand here. Functions of Parts expect `state` to be held,
/// unless they say otherwise.
struct Gateway::Parts {
  TimeSource machine_time;
  TimeSource* time = &machine_time;

  /// Held by the thread that publishes next, from when it waits for its turn (await_turn()).
  std::mutex turn;
  /// Guards every member that has no lock of its own below. Held while Tables are compiled.
  mutable std::mutex state;
  /// Guards `members`. Who changes them holds `state` as well, so that either lock suffices to read them.
  mutable std::mutex witnessing;
  /// Guards `service_totals` and `backend_totals`. Who changes them holds `state` as well, so that either
  /// lock suffices to read them.
  mutable std::mutex counting;
  /// Guards `rows`, `service_numbers`, `set_rows`, `intent`, `model`, `effective` and `busy_ratios`, and
  /// publishing and retiring Tables, for readers that must not wait: it is held for an instant only. Who
  /// changes them holds `state` as well, so that either lock suffices to read them.
  mutable std::mutex instant;
  std::mutex hashing;  ///< guards `hash`; an exception to the order: `state` may be taken while it is held

  std::vector<dataplane::PortInfo> ports;
  std::vector<unsigned> balancers;  ///< the workers that have flows
  IdRegistry ids;
  std::shared_ptr<const Model> intent;  ///< what people applied
  std::shared_ptr<const Model> model;   ///< that, with the services and pools that `services_from` brings
  Members members;
  std::shared_ptr<const Model> members_of;  ///< the model that `members` follow; guarded as they are
  Ejections ejections;
  BackendStatuses statuses;
  std::shared_ptr<InspectionCompiler> inspection_compiler;  ///< it outlives the workers' use
  SetContents set_contents;                                 ///< which `set_rows` describe
  std::map<std::string, SetRow, std::less<>> set_rows;      ///< of the present intent's sets
  std::shared_ptr<const Effective> effective;               ///< what `tables` were compiled from
  std::shared_ptr<const dataplane::Tables> tables;
  ChangeLog changes;
  DepartedBackends departed;
  std::vector<QuietWait> quiet_waits;
  TransitionLog transition_log;
  ConfigHistory history{kHistory};
  std::optional<PendingChange> pending;
  std::mutex keeping;  ///< of `history_store`; `state` may be taken while it is held
  HistoryStore history_store;
  EventHub events;
  const std::shared_ptr<SpanQueue> span_queue = std::make_shared<SpanQueue>();
  SpanQueue& spans = *span_queue;
  ChangeSpans change_spans;
  uint64_t transactions_lost = 0;  ///< sampled ones that are counted as dropped already. Control thread
  std::vector<bool> links;         ///< of ports, as they were told last. Control thread
  /// Null before anybody asked for records of flows. Set under `instant` too.
  std::shared_ptr<dataplane::FlowLanes> flow_lanes;
  FlowMarks flow_marks;          ///< of numbers that records may still need
  uint64_t checkpoint_size = 0;  ///< the same of the ledger
  SipKey kept_hash_key;
  std::atomic<uint64_t> generation = 0;  ///< of the configuration; Tables have their own
  std::atomic<bool> last_apply_succeeded = true;
  std::atomic<bool> is_stopping = false;
  std::chrono::steady_clock::time_point last_published;  ///< under `turn`
  ConfigHash hash;
  /// What was published, until nobody else holds it: so it is freed by maintain() and not by the loop.
  std::vector<std::shared_ptr<const void>> kept;
  std::function<void()> listener;
  /// Goes on with a change once workers have answered; at once on the control thread where it is empty.
  std::function<void(std::function<void()>)> resume;
  TargetTotals<std::string> service_totals;
  TargetTotals<BackendKey> backend_totals;
  SharedMap<PublishedPool> rows;             ///< of backend.list, by pool
  std::shared_ptr<const Effective> rows_of;  ///< what `rows` were made from
  /// By the service's name.
  using ServiceNumbers = std::map<std::string, lb::ServiceId, std::less<>>;
  std::shared_ptr<const ServiceNumbers> service_numbers = std::make_shared<const ServiceNumbers>();
  std::shared_ptr<const lb::ServiceTable>
      service_numbers_of;  ///< of the Tables that `service_numbers` are of
  BusyRatios busy_ratios;
  NoticeLog notice_log{[](const std::string& line) { log_data_plane(dataplane::LogLevel::kWarning, line); }};
  WorkerQuestions questions;
  LedgerQuestions ledger_questions;
  /// Tunnels' associations; null where there never was a tunnel. It outlives the workers' use.
  std::shared_ptr<TunnelStates> tunnel_states;
  /// Last, so that workers have stopped before what they use goes.
  std::unique_ptr<dataplane::DataPlane> data_plane;

  /// The present intent and the members that count now, for a change of their statuses.
  Step step_now() const;
  /// Compiles and publishes, or only says what that would do. What `statuses` was told before is part of
  /// the step: it is made final or taken back with it.
  Outcome<ApplyResult> take(const Step& step);
  /// The same for a new configuration, which the history remembers.
  Outcome<ApplyResult> take(std::shared_ptr<const Model> next, const ApplyOptions& options, Step::Mode mode);
  /// Has the history remember what was taken in place of `before`, whose generation was `base`, and that it
  /// waits for confirmation, if it does.
  void remember(const std::shared_ptr<const Model>& before, uint64_t base, const ApplyOptions& options,
                Moment now, ApplyResult& result);
  /// The model of a configuration that may be applied.
  struct Admitted {
    std::shared_ptr<const Model> model;
    std::vector<Fault> warnings;
  };
  /// `now`: the present model. With no lock held.
  static Outcome<Admitted> admit(const std::shared_ptr<const Model>& now, const nlohmann::json& config,
                                 const ApplyOptions& options);
  /// With or without `state`.
  Outcome<void> check_generation(const std::optional<uint64_t>& wanted) const;

  /// take() for a new configuration, once the flows that it ends are counted. With no lock held.
  void take_counted(std::shared_ptr<const Model> next, const ApplyOptions& options,
                    Gateway::ApplyAnswer answer);
  /// Whether any flow may end with those Tables, which were compiled from the present ones: cheap, and true
  /// too often.
  bool may_end_flows(const dataplane::Tables& next) const;
  using FlowsCut = std::optional<std::map<std::string, uint64_t>>;
  /// To ask each balancing worker how many would.
  WorkerQuestions::Requests loss_requests(const std::shared_ptr<const dataplane::Tables>& next) const;
  /// What they answered, by service. With no lock held.
  FlowsCut flows_cut(const WorkerQuestions::Requests& answered) const;
  Outcome<ApplyResult> take_rehearsed(const Model& next, const ApplyOptions& options);

  /// Makes Tables what the workers see, and with them what counts.
  /// Answers the number that the data plane gives them.
  uint64_t publish(std::shared_ptr<const Effective> next,
                   std::shared_ptr<const dataplane::Tables> new_tables);
  /// Has `members` follow another model than before.
  void follow_members(const Model& before, std::shared_ptr<const Model> next, Members::Prepared prepared,
                      Moment now);
  /// An intent with what `services_from` brings now.
  OfferedModel with_offered_services(const std::shared_ptr<const Model>& of) const;
  bool has_flows(const std::string& pool) const;
  /// Publishes what the members of those pools are now, if that differs, and the services that a source
  /// brings. With `turn` held too.
  void publish_observed(const std::set<std::string>& pools, std::chrono::system_clock::time_point seen);
  /// The members alone.
  void publish_members(const std::set<std::string>& pools, std::chrono::system_clock::time_point seen);
  /// Withdrawn members of a pool whose last flow has ended.
  std::vector<HostPort> ended_members(const EffectivePool& pool) const;
  /// Waits until something may be published again. With `turn` held alone.
  void await_turn();
  bool is_settled() const;
  /// What numbers counted that nobody has any more goes on under their names.
  void retire(const IdRegistry::Retired& retired);
  /// What nobody else holds any more.
  std::vector<std::shared_ptr<const void>> take_unused();
  /// Fills in the hashes that the history lacks. With no lock held, as the next two.
  void hash_history();
  /// The configuration of a generation that is remembered, here or on disk. With no lock held.
  Outcome<std::shared_ptr<const Model>> remembered(uint64_t generation);
  /// Takes up the history on disk: answers the generation that the first configuration has.
  uint64_t open_history(const std::string& directory);
  void resume_pending(const HistoryEntry& entry);
  /// With `keeping` held alone.
  Result<std::string> text_of(const ConfigHistory::Unsaved& unsaved);
  /// Takes back what was not confirmed in time.
  void take_back_unconfirmed();
  void tell(const StatusChanges& changes);
  void trace(const StatusChanges& changes);
  /// The span of a change that has been read from `began` on, and may be applied or not. With no lock held,
  /// as the next.
  std::shared_ptr<OpenSpan> trace_admission(Span::Time began, const ApplyOptions& options,
                                            const Outcome<Admitted>& admitted);
  void trace_outcome(const std::shared_ptr<OpenSpan>& span, const Outcome<ApplyResult>& outcome);
  /// What was compiled is not taken: it was only rehearsed, or `refusal` says why.
  static void note_rehearsed(const Step& step, Span::Time began, Span::Time ended, const Refusal* refusal);
  /// What backends are as the gateway stops: their states end with it.
  void trace_last_states();
  void settle_change_spans();  ///< with or without `state`
  void sample_transactions(const Model& next);
  void trace_transactions();  ///< control thread
  void tell_sources();
  void tell_links();
  /// The last attempt to apply something has failed. With or without locks.
  void note_refused(const std::string& message, const std::vector<Fault>& faults);
  const PoolModel* pool(const std::string& name) const;
  /// What the inspections of a model are: compiled before, or now, which may take long; or a fault, which
  /// points into `config`, the document that the model was read from, if there is one. With or without locks.
  Outcome<InspectionContents> inspections_for(const Model& next, const nlohmann::json* config);
  /// The same at the start: what takes long is not compiled yet, nor is what cannot be.
  Outcome<InspectionContents> first_inspections(const Model& next);
  void follow_inspections();  ///< once Tables are published
  /// Publishes what was compiled apart from a change. With no lock held.
  void observe_inspections(InspectionContents compiled);
  /// What the sets of a model have in them: what was read with it, else what they have now.
  SetContents contents_for(const Model& next) const;
  void follow_sets();  ///< once Tables are published
  /// By name, of the numbers that it had before.
  std::map<BackendKey, uint64_t> flows_of_retired() const;
  QuietAnswer quiet_now(const BackendKey& key, const std::map<BackendKey, uint64_t>& retired) const;
  void give_up_quiet();  ///< with no lock held
  Totals count_service(lb::ServiceId id) const;
  Totals count_backend(lb::BackendId id) const;
  /// Flows ever begun. With no lock held.
  uint64_t flows_begun(lb::BackendId id) const;
  Totals totals_of(const BackendKey& key) const;
  std::shared_ptr<const PublishedPool> published_pool(const EffectivePool& pool) const;
  /// Makes `rows` anew for those pools, and for those that `effective` has otherwise than when rows were made
  /// last.
  void publish_rows(std::set<std::string> pools);
  /// Makes `service_numbers` anew, if services have other numbers than when that was done last.
  void publish_service_numbers();
  /// The number of a service; nothing: there is no such service. With `instant` not held; never waits.
  std::optional<lb::ServiceId> service_number(const std::string& service) const;
  /// The rows of a pool; null: there is no such pool. With `instant` not held; never waits.
  std::shared_ptr<const PublishedPool> published(const std::string& pool) const;
  /// Appends the rows of a pool to `all`. False: there is no such pool. With no lock held.
  bool add_rows(const std::string& pool, std::vector<BackendRow>& all) const;
  /// Makes what `statuses` was told final; `model` is that of the step, and those backends have other
  /// numbers.
  void commit_statuses(const std::vector<BackendKey>& renumbered = {});
  void collect_numbers();
  /// Who reads of which flows under that model; null: nobody. Makes the lanes at the first time.
  std::shared_ptr<const dataplane::FlowReading> flow_reading_for(const Model& next);
  void watch_workers();  ///< with `instant` held
  void log_notices();
};

}  // namespace sluice::ctrl
