#include "ctrl/daemon/daemon.h"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <future>
#include <nlohmann/json.hpp>

#include "crypto/secret.h"
#include "ctrl/access/audit.h"
#include "ctrl/daemon/backend_runner.h"
#include "ctrl/daemon/flows_cut_text.h"
#include "ctrl/daemon/health_runner.h"
#include "ctrl/daemon/heartbeat.h"
#include "ctrl/daemon/monitoring_pages.h"
#include "ctrl/daemon/process.h"
#include "ctrl/daemon/source_runner.h"
#include "ctrl/daemon/system_call_filter.h"
#include "ctrl/daemon/systemd_notify.h"
#include "ctrl/daemon/ui_state.h"
#include "ctrl/http/http_server.h"
#include "ctrl/http/ledger_pages.h"
#include "ctrl/intent/kept_hash_key.h"
#include "ctrl/ledger/ledger_room.h"
#include "ctrl/ledger/ledger_watch.h"
#include "ctrl/log/log.h"
#include "ctrl/log/log_line.h"
#include "ctrl/net/pause.h"
#include "ctrl/net/spawn.h"
#include "ctrl/observed/lease_table.h"
#include "ctrl/registry/registry_server.h"
#include "ctrl/remote/remote_server.h"
#include "ctrl/rpc/control_server.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/source/inspection_watch.h"
#include "ctrl/source/set_watch.h"
#include "ctrl/store/control_threads.h"
#include "ctrl/store/event_hub.h"
#include "ctrl/store/gateway.h"
#include "ctrl/store/ledger_answers.h"
#include "ctrl/store/ledger_reader.h"
#include "ctrl/store/packet_captures.h"
#include "ctrl/store/traffic_totals.h"
#include "ctrl/telemetry/control_steps.h"
#include "ctrl/telemetry/nats_publisher.h"
#include "ctrl/tunnel/kernel_keys.h"

namespace sluice::ctrl {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kTick{5};
constexpr std::chrono::milliseconds kBeat{500};
constexpr std::chrono::milliseconds kMaintenance{50};
constexpr std::chrono::milliseconds kSourceMaintenance{250};
constexpr std::chrono::seconds kWorkerPatience{5};

/// For coroutines that must not end in silence: what they throw leaves run().
void pass_on(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

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

}  // namespace

/// In the order of their making: what comes later uses what came before.
struct Daemon::Parts {
  DaemonOptions options;
  DaemonFacts facts;
  std::unique_ptr<Audit> audit;
  std::unique_ptr<RemoteServer> remote;  ///< before `io`, which may hold what is to be answered
  asio::io_context io{1};
  asio::signal_set signals{io, SIGHUP};  ///< and those that stop it, from run() on
  asio::steady_timer tick_timer{io}, beat_timer{io}, idle_timer{io}, lameduck_timer{io},
      maintenance_timer{io}, source_timer{io};
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<LedgerReader> ledger_reader;
  std::unique_ptr<LedgerPages> ledger_pages;
  std::unique_ptr<PacketCaptures> captures;
  ControlSteps steps;
  std::atomic<bool> is_maintaining = false;
  std::atomic<bool> is_minding_tunnels = false;
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
  Heartbeat heartbeat{kWorkerPatience};
  LedgerRoom ledger_room;
  LedgerWatch ledger_watch;
  LogModel log;
  std::unique_ptr<NatsPublisher> nats;  ///< null: nobody is told by NATS
  bool leaving = false;                 ///< asked to stop: /readyz says so
  bool stopping = false;
  Monitored monitored{facts, steps, heartbeat, ledger_room, leaving, threads, io};
  ControlThreads threads;  ///< last, so that they have ended before what they use goes

  std::optional<Error> ledger_failure() const;
  void watch_ledger();
  void tell_stalled();
  void follow_model();
  void follow_kernel_keys(const Model& model);
  void follow_signals();
  void reload();
  void leave();
  void apply_file();
  void apply_prepared(std::shared_ptr<const LoadedConfig> config, const Gateway::Prepared& prepared);
  Outcome<ApplyResult> apply_counted(std::shared_ptr<const Gateway::Preparation> prepared);
  void stop();
  awaitable<void> tick();
  awaitable<void> beat();
  awaitable<void> maintain();
  awaitable<void> mind_sources();
  awaitable<void> watch_idle(std::chrono::duration<double> patience);
  void log_totals() const;
};

std::optional<Error> Daemon::Parts::ledger_failure() const {
  const auto* ledger = gateway->ledger();
  return ledger ? ledger->failure() : std::nullopt;
}

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
  auto gateway =
      Gateway::start(std::move(config.model), "file", hash_key, options.state_directory + "/history");
  if (!gateway) return tl::unexpected(gateway.error());
  parts.gateway = std::move(*gateway);
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
      CallAudit{parts.audit.get(), [&gateway = *parts.gateway] { return gateway.generation(); }});
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
  if (!parts.gateway->model()->audit.file.empty()) parts.monitored.audit = parts.audit.get();
  if (const auto& remote = parts.gateway->model()->remote) {
    auto server =
        RemoteServer::start(*remote, {parts.io, *parts.rpc, *parts.audit, monitoring_site(parts.monitored)});
    if (!server) return tl::unexpected(server.error());
    parts.remote = std::move(*server);
    parts.monitored.remote = parts.remote.get();
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
  spawn(parts.io.get_executor(), parts.tick(), pass_on);
  spawn(parts.io.get_executor(), parts.beat(), pass_on);
  spawn(parts.io.get_executor(), parts.maintain(), pass_on);
  spawn(parts.io.get_executor(), parts.mind_sources(), pass_on);
  if (parts.options.exit_idle) {
    spawn(parts.io.get_executor(), parts.watch_idle(*parts.options.exit_idle), pass_on);
  }
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
  settle_log(true);
  parts.log_totals();
  const auto failure = parts.ledger_failure();
  if (failure) log_error({"the ledger has failed: ", failure->message});
  if (parts.gateway->ledger() && parts.gateway->ledger()->is_stuck()) {
    log_error({"the ledger's disk does not answer: leaving without it; what has a receipt is safe"});
    parts.control.reset();  // the socket goes with it
    flush_log();
    std::_Exit(EXIT_FAILURE);  // all else would wait for the thread that waits for the disk
  }
  const bool is_released = !parts.gateway->ledger() || is_all_released(parts.gateway->ledger()->reach());
  if (!failure && !is_released) log_error({kNotReleased});
  return !failure && is_released;
}

void Daemon::Parts::follow_model() {
  const auto model = gateway->model();
  if (model->log != log) open_log(log = model->log, log_target());
  NatsPublisher::follow(nats, io, gateway->events(), *model);
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
  auto config = load_config(options.config_file);
  if (!config) {
    std::string all;
    for (const auto& line : config.error()) all += (all.empty() ? "" : "; ") + line;
    log_error({"the configuration stays at generation ", gateway->generation(), ": ", all});
    gateway->note_unreadable(config.error());
    return notify_ready("generation " + std::to_string(gateway->generation()));
  }
  auto prepared = gateway->prepare(config->file.config, {.if_generation = {}, .author = "file"});
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
  if (remote) remote->stop();
  health->stop();
  gateway->stop();
  io.stop();
}

/// Ends with the loop; the gateway answers questions and frees tables here.
awaitable<void> Daemon::Parts::tick() {
  for (;;) {
    const bool goes_on = co_await pause(tick_timer, kTick);
    if (!goes_on) co_return;
    gateway->tick();
    captures->tick(Clock::now());
    if (const auto* ledger = gateway->ledger()) ledger_room.observe(ledger->reach());
    watch_ledger();
  }
}

void Daemon::Parts::watch_ledger() {
  const auto* ledger = gateway->ledger();
  if (!ledger) return;
  const OnFailure on_failure = gateway->model()->ledger->on_failure;
  ledger_watch.poll(*ledger, on_failure);
  if (ledger->failure() && on_failure == OnFailure::kExit) stop();  // run() says why
}

void Daemon::Parts::tell_stalled() {
  for (const unsigned worker : heartbeat.newly_stuck(Clock::now())) {
    log_error({"worker ", worker, " does not go round"});
    gateway->events().tell(EventKind::kWorkerStalled, {{"worker", worker}});
  }
}

awaitable<void> Daemon::Parts::beat() {
  const auto watchdog = watchdog_interval();
  const auto interval = watchdog ? std::min<Clock::duration>(kBeat, *watchdog / 2) : Clock::duration(kBeat);
  for (bool goes_on = true; goes_on;) {
    heartbeat.observe(gateway->data_plane().polls(), Clock::now());
    ui->observe();
    settle_log();
    tell_stalled();
    if (watchdog && heartbeat.stuck(Clock::now()).empty()) notify_alive();
    goes_on = co_await pause(beat_timer, interval);
  }
}

awaitable<void> Daemon::Parts::maintain() {
  for (;;) {
    const bool goes_on = co_await pause(maintenance_timer, kMaintenance);
    if (!goes_on) co_return;
    if (is_maintaining.exchange(true)) continue;
    threads.answer([this] {
      gateway->maintain();
      gateway->keep_history();
      is_maintaining = false;
    });
  }
}

awaitable<void> Daemon::Parts::mind_sources() {
  for (;;) {
    const bool goes_on = co_await pause(source_timer, kSourceMaintenance);
    if (!goes_on) co_return;
    sources->tick();
    if (is_minding_tunnels.exchange(true)) continue;
    threads.change([this] {
      gateway->mind_tunnels();
      is_minding_tunnels = false;
    });
  }
}

awaitable<void> Daemon::Parts::watch_idle(std::chrono::duration<double> patience) {
  uint64_t received = 0;
  auto last = Clock::now();
  for (bool goes_on = true; goes_on;) {
    const uint64_t now_received = traffic_totals(gateway->data_plane()).received;
    if (now_received != received) last = Clock::now();
    received = now_received;
    if (Clock::now() - last >= patience) {
      log_info({"no packet for ", patience.count(), " s: stopping"});
      stop();
      co_return;
    }
    goes_on = co_await pause(idle_timer, std::chrono::milliseconds(10));
  }
}

void Daemon::Parts::log_totals() const {
  const auto totals = traffic_totals(gateway->data_plane());
  std::string reasons;
  for (size_t i = 0; i < dataplane::kDropReasons; ++i) {
    if (totals.dropped[i] == 0) continue;
    reasons += " " + std::string(dataplane::kDropReasonNames[i]) + "=" + std::to_string(totals.dropped[i]);
  }
  log_info(
      {"stopped: ", totals.to_string(), reasons.empty() ? std::string() : " (" + reasons.substr(1) + ")"});
  if (const auto* ledger = gateway->ledger()) {
    log_with_field("the ledger stopped", "ledger_totals", totals_object(*ledger));
  }
}

}  // namespace sluice::ctrl
