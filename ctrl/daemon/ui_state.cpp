#include "ctrl/daemon/ui_state.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <nlohmann/json.hpp>
#include <utility>

#include "ctrl/daemon/heartbeat.h"
#include "ctrl/daemon/readiness.h"
#include "ctrl/daemon/ui_document.h"
#include "ctrl/http/gzip.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/rpc/methods/words.h"
#include "ctrl/store/traffic_totals.h"
#include "dataplane/roles/ledger_plane.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using std::chrono::system_clock;

constexpr double kBusy = 0.95;       ///< of a second, from which packets begin to wait
constexpr double kNearlyFull = 0.9;  ///< of a flow table
constexpr size_t kChanges = 30;

struct Asked {
  const char* name;    ///< in the document
  const char* method;  ///< absent where this gateway has no such method
  size_t limit = 0;    ///< a parameter, where it is not 0
};
constexpr std::array<Asked, 7> kAsked = {{{"system", "system.info"},
                                          {"stats", "stats.get"},
                                          {"ledger", "ledger.status"},
                                          {"services", "service.list"},
                                          {"sources", "source.list"},
                                          {"tunnels", "tunnel.list"},
                                          {"changes", "change.list", kChanges}}};

const Method* method_named(const MethodContext& context, std::string_view name) {
  const auto found = std::ranges::find(context.methods, name, &Method::name);
  return found == context.methods.end() ? nullptr : &*found;
}

HttpAnswer json_answer(const json& document) {
  // What health checks and sources say need not be UTF-8.
  HttpAnswer answer{200, "application/json",
                    document.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"};
  answer.gzip_body = gzip(answer.body);
  answer.fields = {{"X-Content-Type-Options", "nosniff"}};
  return answer;
}

json ready_object(const std::vector<ReadyCondition>& conditions) {
  json rows = json::array();
  bool is_ready = true;
  for (const ReadyCondition& condition : conditions) {
    rows.push_back({{"condition", condition.name}, {"ok", condition.is_met}, {"detail", condition.text}});
    is_ready = is_ready && (condition.is_met || !condition.decides);
  }
  return {{"ready", is_ready}, {"conditions", std::move(rows)}};
}

}  // namespace

/// A document that is being made: what methods have answered so far, and what was counted when it began.
struct UiState::Making {
  Steady::time_point begun = Steady::now();
  json counted;
  std::array<json, kAsked.size()> answers;
  std::atomic<size_t> left = kAsked.size();
};

UiState::UiState(const Monitored& of, MethodContext& methods)
    : of_(of),
      methods_(methods),
      log_(std::make_unique<json>(json{{"last_block", nullptr}, {"checkpoint", nullptr}})) {}
UiState::~UiState() = default;

void UiState::observe() {
  const auto now = Steady::now();
  if (!history_.is_due(now)) return;
  const TrafficTotals totals = traffic_totals(of_.gateway->data_plane());
  history_.observe({totals.received, totals.transmitted, totals.all_dropped()}, now);
  history_time_ = unix_seconds(system_clock::now()).get<double>();
  see_drops(totals, system_clock::now());
  see_conditions(totals, system_clock::now());
}

void UiState::see_drops(const TrafficTotals& totals, Spells::Time now) {
  dropped_.resize(totals.dropped.size());
  for (size_t i = 0; i < totals.dropped.size(); ++i) {
    if (totals.dropped[i] != dropped_[i]) drops_.see(dataplane::kDropReasonNames[i], now);
    dropped_[i] = totals.dropped[i];
  }
}

/// What the page calls wrong, but for what has a time of its own.
void UiState::see_conditions(const TrafficTotals& totals, Spells::Time now) {
  const auto see_if = [&](bool holds, const std::string& name) {
    if (holds) conditions_.see(name, now);
  };
  const Gateway& gateway = *of_.gateway;
  for (const ReadyCondition& condition : ready_conditions(of_)) {
    see_if(!condition.is_met, "not_ready/" + condition.name);
  }
  see_if(!gateway.last_apply_succeeded(), "apply_refused");
  for (const unsigned worker : of_.heartbeat.stuck(Steady::now())) {
    conditions_.see("stuck/" + std::to_string(worker), now);
  }
  for (const auto& port : gateway.data_plane().ports()) see_if(!port.link_up, "no_link/" + port.name);
  missed_.resize(totals.ports.size());
  for (size_t i = 0; i < totals.ports.size(); ++i) {
    const uint64_t missed = totals.ports[i].missed_packets;
    see_if(missed != missed_[i], "missed/" + totals.ports[i].name);
    missed_[i] = missed;
  }
  for (const auto& worker : gateway.data_plane().workers()) {
    const std::string number = std::to_string(worker.index);
    const auto entries = static_cast<double>(gateway.data_plane().stats(worker.index).flow_entries.read());
    see_if(gateway.busy_ratio(worker.index) >= kBusy, "busy/" + number);
    see_if(worker.flow_capacity > 0 && entries >= kNearlyFull * static_cast<double>(worker.flow_capacity),
           "flows/" + number);
  }
  if (const auto* ledger = gateway.ledger()) {
    const auto reach = ledger->reach();
    see_if(ledger->failure().has_value(), "ledger/failure");
    see_if(reach.is_stalled, "ledger/stalled");
    see_if(reach.is_full, "ledger/full");
  }
}

void UiState::answer(std::string_view path, const HttpServer::Reply& reply) {
  if (path == "state") return state_page(reply);
  if (path == "start") return reply(start_page());
  reply({404, kPlainText, "not found\n"});
}

HttpAnswer UiState::start_page() const {
  return json_answer({{"history", ui_history(history_, history_time_)}, {"drop_reasons", ui_drop_words()}});
}

bool UiState::is_fresh(Steady::time_point now) const {
  return document_ && now - made_ < std::max<Steady::duration>(kFresh, 4 * taken_);
}

void UiState::state_page(const HttpServer::Reply& reply) {
  std::shared_ptr<const HttpAnswer> document;
  bool begins = false;
  {
    const std::lock_guard lock(mutex_);
    if (is_fresh(Steady::now())) {
      document = document_;
    } else {
      waiting_.push_back(reply);
      begins = !std::exchange(is_making_, true);
    }
  }
  if (document) reply(*document);
  if (begins) make();
}

void UiState::make() {
  const auto making = std::make_shared<Making>();
  making->counted = counted();
  ask_log();
  ask_methods(making);
}

/// Calls those of the control loop at once and all others where they may wait; whichever answers last has the
/// document finished.
void UiState::ask_methods(const std::shared_ptr<Making>& making) {
  const auto ask = [this, making](size_t number) {
    const auto done = [this, making, number](Answer answer) {
      if (answer) making->answers[number] = std::move(*answer);
      if (--making->left == 0) of_.threads.answer([this, making] { finish(making); });
    };
    const Method* const method = method_named(methods_, kAsked[number].method);
    if (!method) return done(json());
    const json params = kAsked[number].limit ? json{{"limit", kAsked[number].limit}} : json::object();
    const Peer nobody{};
    const Notify cannot_notify;
    method->call(methods_, Call{params, nobody, cannot_notify}, done);
  };
  std::vector<size_t> waiting;
  for (size_t i = 0; i < kAsked.size(); ++i) {
    const Method* const method = method_named(methods_, kAsked[i].method);
    if (method && method->where != Where::kLoop) {
      waiting.push_back(i);
    } else {
      ask(i);
    }
  }
  of_.threads.answer([ask, waiting] {
    for (const size_t number : waiting) ask(number);
  });
}

/// What the disk says is in the next document.
void UiState::ask_log() {
  const auto* ledger = of_.gateway->ledger();
  if (!ledger || !methods_.ledger_reader || is_log_asked_) return;
  const uint64_t blocks = ledger->reach().blocks;
  const auto done = [this](json found) {
    *log_ = std::move(found);
    is_log_asked_ = false;
  };
  is_log_asked_ =
      methods_.ledger_reader->read([blocks](ledger::LogReader& log) { return ui_log(log, blocks); }, done);
}

json UiState::counted() {
  const Gateway& gateway = *of_.gateway;
  const auto now = system_clock::now();
  json busy = json::array();
  for (const auto& worker : gateway.data_plane().workers()) busy.push_back(gateway.busy_ratio(worker.index));
  json since = json::object();
  for (const auto& [name, time] : conditions_.present(now)) since[name] = unix_seconds(time);
  return {{"time", unix_seconds(now)},
          {"ready", ready_object(ready_conditions(of_))},
          {"stuck_workers", of_.heartbeat.stuck(Steady::now())},
          {"since", std::move(since)},
          {"drops", ui_drops(traffic_totals(gateway.data_plane()).dropped, drops_)},
          {"busy", std::move(busy)},
          {"log", *log_}};
}

void UiState::finish(const std::shared_ptr<Making>& making) {
  const UiBounds bounds;
  json document = std::move(making->counted);
  for (size_t i = 0; i < kAsked.size(); ++i) document[kAsked[i].name] = std::move(making->answers[i]);
  document["services"] = ui_services(std::move(document["services"]), *of_.gateway, bounds.services);
  document["pools"] = ui_pools(*of_.gateway, bounds);
  json& workers = document["stats"]["workers"];
  for (size_t i = 0; i < workers.size(); ++i) workers[i]["busy_ratio"] = document["busy"][i];
  document.erase("busy");
  document["system"].erase("role");  // the page's own
  if (document["ledger"].is_object()) document["ledger"].update(document["log"]);
  document.erase("log");
  const auto made = std::make_shared<const HttpAnswer>(json_answer(document));
  std::vector<HttpServer::Reply> waiting;
  {
    const std::lock_guard lock(mutex_);
    document_ = made;
    made_ = Steady::now();
    taken_ = made_ - making->begun;
    is_making_ = false;
    waiting.swap(waiting_);
  }
  for (const HttpServer::Reply& reply : waiting) reply(*made);
}

}  // namespace sluice::ctrl
