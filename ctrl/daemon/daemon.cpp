#include "ctrl/daemon/daemon.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdlib>
#include <future>
#include <nlohmann/json.hpp>

#include "crypto/secret.h"
#include "ctrl/access/audit.h"
#include "ctrl/daemon/backend_runner.h"
#include "ctrl/daemon/flows_cut_text.h"
#include "ctrl/daemon/health_runner.h"
#include "ctrl/daemon/last_words.h"
#include "ctrl/daemon/monitoring_pages.h"
#include "ctrl/daemon/process.h"
#include "ctrl/daemon/remote_runner.h"
#include "ctrl/daemon/rounds.h"
#include "ctrl/daemon/source_runner.h"
#include "ctrl/daemon/system_call_filter.h"
#include "ctrl/daemon/systemd_notify.h"
#include "ctrl/daemon/ui_state.h"
#include "ctrl/http/http_server.h"
#include "ctrl/http/ledger_pages.h"
#include "ctrl/intent/kept_hash_key.h"
#include "ctrl/log/log.h"
#include "ctrl/log/log_line.h"
#include "ctrl/observed/lease_table.h"
#include "ctrl/registry/registry_server.h"
#include "ctrl/rpc/control_server.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/source/inspection_watch.h"
#include "ctrl/source/set_watch.h"
#include "ctrl/store/control_threads.h"
#include "ctrl/store/gateway.h"
#include "ctrl/store/ledger_reader.h"
#include "ctrl/store/packet_captures.h"
#include "ctrl/store/span_queue.h"
#include "ctrl/telemetry/control_steps.h"
#include "ctrl/telemetry/flow_log.h"
#include "ctrl/telemetry/flow_spans.h"
#include "ctrl/telemetry/nats_publisher.h"
#include "ctrl/telemetry/trace_exporter.h"
#include "ctrl/tunnel/kernel_keys.h"

namespace sluice::ctrl {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kLastSpans{2};  ///< for those that wait at the end

/// The key that counts where the configuration gives none.
SipKey kept_hash_key(const Model& model, const std::string& state_directory) {
  if (model.hash_key) return {};
  const KeptHashKey kept = keep_hash_key(state_directory);
  if (kept.problem.empty()) {
    log_info({"the hash key is the one kept in ", kept.file});
  } else {
    log_warning({"the hash key is drawn for this run alone, so that a restart moves flows: ", kept.problem});
  }
  return kept.key;
}

Result<std::unique_ptr<RegistryServer>> start_registry(RegistryModel model,
                                                       const std::string& state_directory,
                                                       LeaseTable& table) {
  if (model.state.empty()) model.state = state_directory + "/registry";
  return RegistryServer::start(model, table);
}

/// A file that could not be read, of a change that comes to nothing.
void trace_unreadable(OpenSpan& span, const std::vector<std::string>& lines) {
  const std::string why = lines.empty() ? "the configuration file is not valid" : lines.front();
  span.set("sluice.author", "file");
  span.add_step("config.read", span.start(), std::chrono::system_clock::now(), {}, &why);
  span.fail(why);
}

}  // namespace

/// In the order of their making: what comes later uses what came before.
struct Daemon::Parts {
  DaemonOptions options;
  DaemonFacts facts;
  std::unique_ptr<Audit> audit;
  std::unique_ptr<RemoteRunner> remote;  ///< before `io`, which may hold what is to be answered
  asio::io_context io{1};
  asio::signal_set signals{io, SIGHUP};  ///< and those that stop it, from run() on
  asio::steady_timer lameduck_timer{io};
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<LedgerReader> ledger_reader;
  std::unique_ptr<LedgerPages> ledger_pages;
  std::unique_ptr<PacketCaptures> captures;
  ControlSteps steps;
  std::unique_ptr<MethodContext> context;
  std::unique_ptr<JsonRpc> rpc;
  std::unique_ptr<ControlServer> control;
  std::unique_ptr<HealthRunner> health;
  std::unique_ptr<BackendRunner> backends;
  LeaseTable registered;  ///< what registers itself here
  std::unique_ptr<SourceRunner> sources;
  std::unique_ptr<SetWatch> sets;
  std::unique_ptr<InspectionWatch> inspections;
  std::unique_ptr<KernelKeys> kernel_keys;  ///< once a tunnel has its keys from there
  std::unique_ptr<RegistryServer> registry;
  std::unique_ptr<UiState> ui;
  Rounds rounds{io};
  LogModel log;
  std::unique_ptr<FlowRecordReader> flow_records;
  std::unique_ptr<FlowLog> flow_log;
  std::unique_ptr<NatsPublisher> nats;  ///< null: nobody is told by NATS
  std::unique_ptr<TraceExporter> traces;
  std::shared_ptr<FlowSpans> flow_spans;  ///< null: no flow is traced
  bool leaving = false;                   ///< asked to stop: /readyz says so
  bool stopping = false;
  Monitored monitored{facts, steps, rounds.heartbeat(), rounds.ledger_room(), leaving, threads, io};
  ControlThreads threads;  ///< last, so that they have ended before what they use goes

  void follow_model();
  void follow_kernel_keys(const Model& model);
  void follow_signals();
  void reload();
  void leave();
  void apply_file();
  void apply_prepared(std::shared_ptr<const LoadedConfig> config, const Gateway::Prepared& prepared);
  Outcome<ApplyResult> apply_counted(std::shared_ptr<const Gateway::Preparation> prepared);
  void stop();
};

Daemon::Daemon() : parts_(std::make_unique<Parts>()) {}
Daemon::~Daemon() = default;

Result<std::unique_ptr<Daemon>> Daemon::start(const DaemonOptions& options, LoadedConfig config) {
  std::unique_ptr<Daemon> daemon(new Daemon());
  Parts& parts = *daemon->parts_;
  parts.options = options;
  parts.facts = {options.version, options.config_file, std::chrono::system_clock::now()};
  const size_t descriptors = raise_descriptor_limit();
  crypto::set_secret_memory_aside();
  std::signal(SIGPIPE, SIG_IGN);
  leave_at_once_on_signals();

  auto socket = ControlSocket::open(config.model.control.socket, config.model.control.mode);
  if (!socket) return tl::unexpected(socket.error());
  if (const auto& listen = config.model.http.listen; !listen.empty()) {
    auto http = HttpServer::open(parts.io, {.listen = listen}, monitoring_site(parts.monitored));
    if (!http) return tl::unexpected(http.error());
    parts.http = std::move(*http);
  }
  auto audit = Audit::open(config.model.audit);
  if (!audit) return tl::unexpected(audit.error());
  parts.audit = std::move(*audit);
  config.model.boot.log = log_data_plane;
  parts.log = config.model.log;
  const SipKey hash_key = kept_hash_key(config.model, options.state_directory);
  auto gateway = Gateway::start(std::move(config.model), "file", hash_key,
                                options.state_directory + "/history", nullptr, config.reading_began);
  if (!gateway) return tl::unexpected(gateway.error());
  parts.gateway = std::move(*gateway);
  parts.flow_records = std::make_unique<FlowRecordReader>(*parts.gateway);
  parts.flow_log = std::make_unique<FlowLog>(*parts.gateway, *parts.flow_records);
  parts.traces = std::make_unique<TraceExporter>(parts.gateway->spans(), options.version);
  if (const auto model = parts.gateway->model(); model->ledger) {
    auto reader = LedgerReader::open(parts.io, model->ledger->directory);
    if (!reader) return tl::unexpected(reader.error());
    parts.ledger_reader = std::move(*reader);
  }
  parts.ledger_pages = std::make_unique<LedgerPages>(*parts.gateway, parts.ledger_reader.get());

  parts.captures = std::make_unique<PacketCaptures>(*parts.gateway);

  parts.context = std::make_unique<MethodContext>(
      MethodContext{*parts.gateway, parts.facts, all_methods(), parts.threads, parts.ledger_reader.get(),
                    *parts.captures, [&parts](auto job) { asio::post(parts.io, std::move(job)); }});
  parts.rpc = std::make_unique<JsonRpc>(
      parts.context->methods, parts.context.get(), &parts.threads,
      CallAudit{parts.audit.get(), [&gateway = *parts.gateway] { return gateway.generation(); },
                &parts.gateway->spans()});
  parts.control = std::make_unique<ControlServer>(parts.io, std::move(*socket), *parts.rpc);
  parts.health = std::make_unique<HealthRunner>(parts.io, *parts.gateway, parts.threads, descriptors);
  parts.backends = std::make_unique<BackendRunner>(parts.io, *parts.gateway, parts.threads);
  const auto& registry = parts.gateway->model()->registry;
  if (registry) {
    auto server = start_registry(*registry, options.state_directory, parts.registered);
    if (!server) return tl::unexpected(server.error());
    parts.registry = std::move(*server);
  }
  parts.sources = std::make_unique<SourceRunner>(parts.io, *parts.gateway, parts.threads,
                                                 registry ? &parts.registered : nullptr);
  parts.sets = std::make_unique<SetWatch>([gateway = parts.gateway.get()](std::vector<SetReading> readings) {
    gateway->observe(std::move(readings));
  });
  parts.inspections = std::make_unique<InspectionWatch>(
      [gateway = parts.gateway.get()](std::vector<InspectionReading> readings) {
        gateway->observe(std::move(readings));
      });
  parts.monitored.gateway = parts.gateway.get();
  parts.monitored.ledger_pages = parts.ledger_pages.get();
  parts.monitored.health = &parts.health->checks();
  parts.monitored.sources = parts.sources.get();
  parts.monitored.registry = parts.registry.get();
  parts.ui = std::make_unique<UiState>(parts.monitored, *parts.context);
  parts.monitored.ui = parts.ui.get();
  parts.remote = std::make_unique<RemoteRunner>(parts.io, *parts.rpc, *parts.audit, parts.gateway->spans(),
                                                parts.monitored);
  if (auto started = parts.remote->start(*parts.gateway->model()); !started) {
    return tl::unexpected(started.error());
  }
  return daemon;
}

bool Daemon::run() {
  Parts& parts = *parts_;
  if (const auto filtered = filter_system_calls(); !filtered) log_warning({filtered.error().message});
  parts.gateway->resume_by([&parts](std::function<void()> job) { parts.threads.answer(std::move(job)); });
  parts.gateway->on_change([&parts] { asio::post(parts.io, [&parts] { parts.follow_model(); }); });
  parts.threads.prepare([&parts] { parts.gateway->compile_inspections(); });
  parts.follow_model();
  for (const int stop : {SIGTERM, SIGINT}) parts.signals.add(stop);
  parts.follow_signals();
  parts.rounds.begin(
      {*parts.gateway, *parts.captures, *parts.sources, *parts.ui, parts.threads, [&parts] { parts.stop(); }},
      parts.options.exit_idle);
  log_info({"sluiced ", parts.facts.version, " runs ", parts.gateway->model()->gateway_name,
            " with generation ", parts.gateway->generation()});
  notify_ready("generation " + std::to_string(parts.gateway->generation()));
  parts.steps.run(parts.io);
  parts.kernel_keys.reset();
  parts.threads.stop();
  parts.gateway->keep_history();
  parts.sources->stop();
  parts.sets.reset();
  parts.inspections.reset();
  parts.registry.reset();
  parts.flow_records->stop();
  parts.traces->stop(kLastSpans);
  settle_log(true);
  log_totals(*parts.gateway);
  const bool is_settled = is_ledger_settled(*parts.gateway);
  if (parts.gateway->ledger() && parts.gateway->ledger()->is_stuck()) {
    parts.control.reset();  // the socket goes with it
    flush_log();
    std::_Exit(EXIT_FAILURE);  // all else would wait for the thread that waits for the disk
  }
  return is_settled;
}

void Daemon::Parts::follow_model() {
  const auto model = gateway->model();
  if (model->log != log) open_log(log = model->log, log_target());
  flow_log->follow(*model);
  remote->follow(*model);
  NatsPublisher::follow(nats, io, gateway->events(), *model);
  traces->follow(*model);
  FlowSpans::follow(flow_spans, *flow_records, *gateway, *model);
  sources->follow(model);
  sets->follow(model->sets);
  inspections->follow(model->inspections);
  health->follow();
  follow_kernel_keys(*model);
}

void Daemon::Parts::follow_kernel_keys(const Model& model) {
  const bool is_wanted = std::ranges::any_of(model.tunnels, [](const auto& tunnel) { return !tunnel.keys; });
  if (!is_wanted) return;
  if (kernel_keys) return kernel_keys->ask_again();
  kernel_keys = std::make_unique<KernelKeys>(
      [this](KernelAssociations all) { gateway->follow_kernel_keys(std::move(all)); });
}

void Daemon::Parts::follow_signals() {
  signals.async_wait([this](error_code error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      reload();
    } else {
      log_info({signal == SIGTERM ? "SIGTERM" : "SIGINT", ": stopping"});
      leave();
    }
    follow_signals();
  });
}

void Daemon::Parts::reload() {
  notify_reloading();
  audit->reopen();
  flow_log->reopen();
  threads.prepare([this] { apply_file(); });
}

/// Waits for the workers' count of flows that end, as what is to be changed after this does. Throws where the
/// gateway stops meanwhile.
Outcome<ApplyResult> Daemon::Parts::apply_counted(std::shared_ptr<const Gateway::Preparation> prepared) {
  auto answered = std::make_shared<std::promise<Outcome<ApplyResult>>>();
  auto result = answered->get_future();
  gateway->apply(std::move(prepared), {.if_generation = {}, .author = "file"},
                 [answered = std::move(answered)](Outcome<ApplyResult> outcome) {
                   answered->set_value(std::move(outcome));
                 });
  return result.get();
}

/// On the thread of preparations: its rules may take long to compile.
void Daemon::Parts::apply_file() {
  auto span = gateway->spans().open("config.apply", std::chrono::system_clock::now());
  auto config = load_config(options.config_file);
  if (!config) {
    std::string all;
    for (const auto& line : config.error()) all += (all.empty() ? "" : "; ") + line;
    log_error({"the configuration stays at generation ", gateway->generation(), ": ", all});
    gateway->note_unreadable(config.error());
    if (span) trace_unreadable(*span, config.error());
    return notify_ready("generation " + std::to_string(gateway->generation()));
  }
  auto prepared = gateway->prepare(config->file.config, {.author = "file", .span = std::move(span)});
  threads.change([this, config = std::make_shared<const LoadedConfig>(std::move(*config)),
                  prepared = std::move(prepared)] { apply_prepared(config, prepared); });
}

/// On the thread of changes.
void Daemon::Parts::apply_prepared(std::shared_ptr<const LoadedConfig> config,
                                   const Gateway::Prepared& prepared) {
  const auto applied = prepared ? apply_counted(*prepared) : tl::unexpected(prepared.error());
  if (applied) {
    log_info({options.config_file, " applied: generation ", applied->generation, ", ",
              applied->changed.size(), " changed, ", flows_cut_text(applied->flows_cut)});
    for (const auto& line : config->file.describe(applied->warnings)) log_warning({line});
  } else {
    std::string all = applied.error().message;
    for (const auto& line : config->file.describe(applied.error().faults)) all += "; " + line;
    log_error({"the configuration stays at generation ", gateway->generation(), ": ", all});
  }
  notify_ready("generation " + std::to_string(gateway->generation()));
}

/// Goes on for gateway.lameduck, in which /readyz has others send their traffic elsewhere.
void Daemon::Parts::leave() {
  if (leaving) return stop();  // asked twice: at once
  leaving = true;
  const auto patience = gateway->model()->lameduck;
  notify_stopping(patience);
  if (patience.count() == 0) return stop();
  log_info({"going on for ", patience.count() / 1e3, " s before leaving; another signal ends the wait"});
  lameduck_timer.expires_after(patience);
  lameduck_timer.async_wait([this](error_code error) {
    if (!error) stop();
  });
}

void Daemon::Parts::stop() {
  if (stopping) return;
  if (!leaving) notify_stopping({});
  leaving = stopping = true;
  control->stop();
  remote->stop();
  health->stop();
  gateway->stop();
  io.stop();
}

}  // namespace sluice::ctrl
