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
#include <mutex>

#include "ctrl/daemon/flows_cut_text.h"
#include "ctrl/daemon/heartbeat.h"
#include "ctrl/daemon/process.h"
#include "ctrl/daemon/readiness.h"
#include "ctrl/daemon/source_runner.h"
#include "ctrl/daemon/systemd_notify.h"
#include "ctrl/health/health_checks.h"
#include "ctrl/http/http_server.h"
#include "ctrl/http/ledger_pages.h"
#include "ctrl/http/quiet_page.h"
#include "ctrl/intent/kept_hash_key.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/ledger/ledger_room.h"
#include "ctrl/ledger/ledger_watch.h"
#include "ctrl/log/log.h"
#include "ctrl/observed/lease_table.h"
#include "ctrl/registry/registry_server.h"
#include "ctrl/log/log_line.h"
#include "ctrl/net/pause.h"
#include "ctrl/net/spawn.h"
#include "ctrl/rpc/control_server.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/store/control_threads.h"
#include "ctrl/store/gateway.h"
#include "ctrl/store/ledger_answers.h"
#include "ctrl/store/ledger_reader.h"
#include "ctrl/store/packet_captures.h"
#include "ctrl/store/traffic_totals.h"
#include "ctrl/telemetry/control_steps.h"
#include "ctrl/telemetry/gateway_metrics.h"
#include "ctrl/telemetry/health_metrics.h"
#include "ctrl/telemetry/registry_metrics.h"
#include "ctrl/telemetry/source_metrics.h"

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
/// So many backends are taken up for health checks in one step, some milliseconds of it.
constexpr size_t kFollowedAtOnce = 2000;
constexpr std::chrono::seconds kWorkerPatience{5};

/// For coroutines that must not end in silence: what they throw leaves run().
void pass_on(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

/// A check needs one descriptor; the rest is for devices, connections and files.
size_t health_concurrency(size_t descriptors) {
  return std::clamp<size_t>(descriptors / 4, 1, 2048);
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

/// What health checks found, until it is passed on: results that come while others are being compiled wait
/// for each other.
class PendingResults {
 public:
  /// True: these are the first, somebody is to take them.
  bool add(const HealthChecks::Results& results) {
    const std::lock_guard lock(mutex_);
    const bool is_first = results_.empty();
    results_.insert(results_.end(), results.begin(), results.end());
    return is_first;
  }
  HealthChecks::Results take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(results_, {});
  }

 private:
  std::mutex mutex_;
  HealthChecks::Results results_;
};

/// In the order of their making: what comes later uses what came before.
struct Daemon::Parts {
  DaemonOptions options;
  DaemonFacts facts;
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
  PendingResults health_results;
  std::shared_ptr<const Effective> followed_state;  ///< by the health checks, as a whole
  HealthChecks::Pools followed;                     ///< pool by pool
  bool is_following = false;                        ///< and has not come to the end
  std::atomic<bool> is_maintaining = false;
  std::unique_ptr<MethodContext> context;
  std::unique_ptr<JsonRpc> rpc;
  std::unique_ptr<ControlServer> control;
  std::unique_ptr<HealthChecks> health;
  LeaseTable registered;  ///< what registers itself here
  std::unique_ptr<SourceRunner> sources;
  std::unique_ptr<RegistryServer> registry;
  Heartbeat heartbeat{kWorkerPatience};
  LedgerRoom ledger_room;
  LedgerWatch ledger_watch;
  LogModel log;
  bool leaving = false;  ///< asked to stop: /readyz says so
  bool stopping = false;
  ControlThreads threads;  ///< last, so that they have ended before what they use goes

  HttpServer::Site site();
  HttpAnswer metrics_page() const;
  HttpAnswer health_page() const;
  HttpAnswer ready_page() const;
  HttpAnswer verbose_ready_page() const;
  std::vector<ReadyCondition> ready_conditions() const;
  std::optional<Error> ledger_failure() const;
  void watch_ledger();
  void follow_model();
  void follow_some();
  void follow_signals();
  void reload();
  void leave();
  void apply_file();
  Outcome<ApplyResult> apply_counted(const nlohmann::json& config);
  void observe(const HealthChecks::Results& results);
  void stop();
  awaitable<void> tick();
  awaitable<void> beat();
  awaitable<void> maintain();
  awaitable<void> mind_sources();
  awaitable<void> watch_idle(std::chrono::duration<double> patience);
  void log_totals() const;
};

HttpServer::Site Daemon::Parts::site() {
  HttpServer::Site site;
  site.pages = {{"/metrics", [this] { return metrics_page(); }},
                {"/healthz", [this] { return health_page(); }},
                {"/readyz", [this] { return ready_page(); }},
                {"/version", [this] {
                   const nlohmann::json version = {{"name", "sluice"}, {"version", facts.version}};
                   return HttpAnswer{200, "application/json", version.dump() + "\n"};
                 }}};
  site.trees = {{"/ledger/", [this](std::string_view path, const HttpServer::Reply& reply) {
                   ledger_pages->answer(path, reply);
                 }}};
  site.queried = {{"/backend/", [this](std::string_view path, const HttpServer::Reply& reply) {
                     answer_quiet_page(*gateway, threads, path, reply);
                   }}};
  site.make_pieces = [this](std::function<void()> job) { threads.answer(std::move(job)); };
  site.verbose = {{"/readyz", [this] { return verbose_ready_page(); }}};
  return site;
}

HttpAnswer Daemon::Parts::metrics_page() const {
  auto sources = gateway_metrics(*gateway, facts.version);
  steps.add_series(sources);
  add_health_series(sources, *gateway, *health);
  add_source_series(sources, *gateway);
  if (registry) {
    const RegistryServer::Counts counts = registry->counts();
    add_registry_series(sources, {counts.instances, counts.watchers, counts.ended});
  }
  auto text = std::make_shared<MetricsText>(std::move(sources));
  HttpAnswer answer{200, "text/plain; version=0.0.4; charset=utf-8", ""};
  answer.pieces = [text](std::string& piece) { return text->next(piece); };
  return answer;
}

HttpAnswer Daemon::Parts::health_page() const {
  const auto stuck = heartbeat.stuck(Clock::now());
  if (stuck.empty()) return {200, "text/plain; charset=utf-8", "ok\n"};
  std::string text = "workers that do not move:";
  for (const unsigned worker : stuck) text += " " + std::to_string(worker);
  return {503, "text/plain; charset=utf-8", text + "\n"};
}

HttpAnswer Daemon::Parts::ready_page() const {
  return ready_answer(ready_conditions(), "ready, generation " + std::to_string(gateway->generation()));
}

/// Pools do not decide: nobody but this gateway may have a way to those that still have backends. They are
/// asked about where that may take its time.
HttpAnswer Daemon::Parts::verbose_ready_page() const {
  HttpAnswer answer = ready_answer(ready_conditions(), "");
  answer.pieces = [conditions = ready_conditions(), this, is_told = false](std::string& piece) mutable {
    if (std::exchange(is_told, true)) return false;
    add_pool_conditions(conditions, *gateway);
    piece = verbose_ready_answer(conditions).body;
    return true;
  };
  return answer;
}

std::vector<ReadyCondition> Daemon::Parts::ready_conditions() const {
  std::vector<ReadyCondition> conditions;
  conditions.push_back({"process", !leaving, leaving ? "stopping" : ""});
  conditions.push_back({"configuration", true, "generation " + std::to_string(gateway->generation())});
  if (!gateway->model()->sources.empty()) {
    const auto missing = sources->missing();
    conditions.push_back({"sources", !missing, missing.value_or("")});
  }
  if (const auto* ledger = gateway->ledger()) {
    std::string complaint = ledger_complaint(*ledger);
    if (complaint.empty() && ledger_room.is_short()) complaint = "the ledger's disk is full";
    conditions.push_back({"ledger", complaint.empty(), complaint});
  }
  return conditions;
}

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
  std::signal(SIGPIPE, SIG_IGN);
  leave_at_once_on_signals();

  auto socket = ControlSocket::open(config.model.control.socket, config.model.control.mode);
  if (!socket) return tl::unexpected(socket.error());
  if (const auto& listen = config.model.http.listen; !listen.empty()) {
    auto http = HttpServer::open(parts.io, listen, parts.site());
    if (!http) return tl::unexpected(http.error());
    parts.http = std::move(*http);
  }
  config.model.boot.log = log_data_plane;
  parts.log = config.model.log;
  const SipKey hash_key = kept_hash_key(config.model, options.state_directory);
  auto gateway = Gateway::start(std::move(config.model), "file", hash_key);
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
  parts.rpc = std::make_unique<JsonRpc>(parts.context->methods, parts.context.get(), &parts.threads);
  parts.control = std::make_unique<ControlServer>(parts.io, std::move(*socket), *parts.rpc);
  parts.health = std::make_unique<HealthChecks>(
      parts.io, [&parts](const auto& results) { parts.observe(results); }, health_concurrency(descriptors),
      std::make_shared<ServiceRoutes>(parts.io, *parts.gateway));
  const auto& registry = parts.gateway->model()->registry;
  if (registry) {
    auto server = start_registry(*registry, options.state_directory, parts.registered);
    if (!server) return tl::unexpected(server.error());
    parts.registry = std::move(*server);
  }
  parts.sources = std::make_unique<SourceRunner>(parts.io, *parts.gateway, parts.threads,
                                                 registry ? &parts.registered : nullptr);
  return daemon;
}

bool Daemon::run() {
  Parts& parts = *parts_;
  parts.gateway->resume_by([&parts](std::function<void()> job) { parts.threads.answer(std::move(job)); });
  parts.gateway->on_change([&parts] { asio::post(parts.io, [&parts] { parts.follow_model(); }); });
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
  parts.threads.stop();
  parts.sources->stop();
  parts.registry.reset();
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
  if (model->log != log) open_log(log = model->log, stderr_is_journal());
  sources->follow(model);
  if (is_following || gateway->effective() == followed_state) return;
  is_following = true;
  follow_some();
}

/// Lets the health checks follow the next pools that differ from those that they have, and comes again until
/// none does.
void Daemon::Parts::follow_some() {
  const auto state = gateway->effective();
  std::vector<std::string> changed;
  size_t backends = 0;
  bool is_all = true;
  for_each_difference(followed, state->pools,
                      [&](const std::string& name, const EffectivePool* before, const EffectivePool* after) {
                        if (backends >= kFollowedAtOnce) return void(is_all = false);
                        backends += (before ? before->backends.size() : 0);
                        backends += (after ? after->backends.size() : 0);
                        changed.push_back(name);
                      });
  for (const std::string& name : changed) {
    const auto now = state->pools.find(name);
    now == state->pools.end() ? followed.erase(name) : followed.set(name, now->second);
  }
  if (!changed.empty()) health->follow(followed);
  is_following = !is_all;
  if (is_all) {
    followed = state->pools;  // the very blocks, so that the next walk passes over what they share
    followed_state = state;
  } else {
    asio::post(io, [this] {
      if (!stopping) follow_some();
    });
  }
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

void Daemon::Parts::observe(const HealthChecks::Results& results) {
  if (!health_results.add(results)) return;
  threads.observe([this] { gateway->set_health(health_results.take()); });
}

void Daemon::Parts::reload() {
  notify_reloading();
  threads.change([this] { apply_file(); });
}

/// Waits for the workers' count of flows that end, as what is to be changed after this does. Throws where the
/// gateway stops meanwhile.
Outcome<ApplyResult> Daemon::Parts::apply_counted(const nlohmann::json& config) {
  auto answered = std::make_shared<std::promise<Outcome<ApplyResult>>>();
  auto result = answered->get_future();
  gateway->apply(config, {.if_generation = {}, .author = "file"},
                 [answered = std::move(answered)](Outcome<ApplyResult> outcome) {
                   answered->set_value(std::move(outcome));
                 });
  return result.get();
}

/// On the thread of changes.
void Daemon::Parts::apply_file() {
  const auto stays = [this](const std::string& message, const std::vector<std::string>& faults) {
    std::string all = message;
    for (const auto& line : faults) all += (all.empty() ? "" : "; ") + line;
    log_error({"the configuration stays at generation ", gateway->generation(), ": ", all});
  };
  const auto config = load_config(options.config_file);
  if (!config) {
    stays("", config.error());
    (void)gateway->apply(nullptr, {});  // refused, and remembered as the last attempt
  } else if (const auto applied = apply_counted(config->file.config); applied) {
    log_info({options.config_file, " applied: generation ", applied->generation, ", ",
              applied->changed.size(), " changed, ", flows_cut_text(applied->flows_cut)});
    for (const auto& line : config->file.describe(applied->warnings)) log_warning({line});
  } else {
    stays(applied.error().message, config->file.describe(applied.error().faults));
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

awaitable<void> Daemon::Parts::beat() {
  const auto watchdog = watchdog_interval();
  const auto interval = watchdog ? std::min<Clock::duration>(kBeat, *watchdog / 2) : Clock::duration(kBeat);
  for (bool goes_on = true; goes_on;) {
    heartbeat.observe(gateway->data_plane().polls(), Clock::now());
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
      is_maintaining = false;
    });
  }
}

awaitable<void> Daemon::Parts::mind_sources() {
  for (;;) {
    const bool goes_on = co_await pause(source_timer, kSourceMaintenance);
    if (!goes_on) co_return;
    sources->tick();
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
