#include "ctrl/daemon/monitoring_pages.h"

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/access/audit.h"
#include "ctrl/daemon/heartbeat.h"
#include "ctrl/daemon/readiness.h"
#include "ctrl/daemon/source_runner.h"
#include "ctrl/daemon/ui_state.h"
#include "ctrl/http/event_feed.h"
#include "ctrl/http/ledger_pages.h"
#include "ctrl/http/quiet_page.h"
#include "ctrl/http/ui_page.h"
#include "ctrl/ledger/ledger_room.h"
#include "ctrl/ledger/ledger_watch.h"
#include "ctrl/registry/registry_server.h"
#include "ctrl/remote/remote_server.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/telemetry/control_steps.h"
#include "ctrl/telemetry/gateway_metrics.h"
#include "ctrl/telemetry/health_metrics.h"
#include "ctrl/telemetry/inspection_metrics.h"
#include "ctrl/telemetry/registry_metrics.h"
#include "ctrl/telemetry/remote_metrics.h"
#include "ctrl/telemetry/set_metrics.h"
#include "ctrl/telemetry/source_metrics.h"

namespace sluice::ctrl {
namespace {

HttpAnswer metrics_page(const Monitored& of) {
  auto sources = gateway_metrics(*of.gateway, of.facts.version);
  of.steps.add_series(sources);
  add_health_series(sources, *of.gateway, *of.health);
  add_source_series(sources, *of.gateway);
  add_set_series(sources, *of.gateway);
  add_inspection_series(sources, *of.gateway);
  if (of.registry) {
    const RegistryServer::Counts counts = of.registry->counts();
    add_registry_series(sources, {counts.instances, counts.watchers, counts.ended});
  }
  if (of.remote) add_remote_series(sources, of.remote->counts());
  if (of.audit) add_audit_series(sources, of.audit->lost());
  auto text = std::make_shared<MetricsText>(std::move(sources));
  HttpAnswer answer{200, "text/plain; version=0.0.4; charset=utf-8", ""};
  answer.pieces = [text](std::string& piece) { return text->next(piece); };
  return answer;
}

HttpAnswer health_page(const Monitored& of) {
  const auto stuck = of.heartbeat.stuck(std::chrono::steady_clock::now());
  if (stuck.empty()) return {200, kPlainText, "ok\n"};
  std::string text = "workers that do not move:";
  for (const unsigned worker : stuck) text += " " + std::to_string(worker);
  return {503, kPlainText, text + "\n"};
}

HttpAnswer version_page(const Monitored& of) {
  const nlohmann::json version = {{"name", "sluice"}, {"version", of.facts.version}};
  return {200, "application/json", version.dump() + "\n"};
}

HttpAnswer ready_page(const Monitored& of) {
  return ready_answer(ready_conditions(of), "ready, generation " + std::to_string(of.gateway->generation()));
}

/// Pools do not decide: nobody but this gateway may have a way to those that still have backends. They are
/// asked about where that may take its time.
HttpAnswer verbose_ready_page(const Monitored& of) {
  HttpAnswer answer = ready_answer(ready_conditions(of), "");
  answer.pieces = [conditions = ready_conditions(of), &of, is_told = false](std::string& piece) mutable {
    if (std::exchange(is_told, true)) return false;
    add_pool_conditions(conditions, *of.gateway);
    piece = verbose_ready_answer(conditions).body;
    return true;
  };
  return answer;
}

}  // namespace

std::vector<ReadyCondition> ready_conditions(const Monitored& of) {
  std::vector<ReadyCondition> conditions;
  conditions.push_back({"process", !of.is_leaving, of.is_leaving ? "stopping" : ""});
  conditions.push_back({"configuration", true, "generation " + std::to_string(of.gateway->generation())});
  if (!of.gateway->model()->sources.empty()) {
    const auto missing = of.sources->missing();
    conditions.push_back({"sources", !missing, missing.value_or("")});
  }
  if (!of.gateway->model()->inspections.empty()) {
    const auto unready = of.gateway->unready_inspections();
    conditions.push_back(
        {"inspections", unready.empty(), unready.empty() ? "" : "inspection " + unready.front()});
  }
  if (const auto* ledger = of.gateway->ledger()) {
    std::string complaint = ledger_complaint(*ledger);
    if (complaint.empty() && of.ledger_room.is_short()) complaint = "the ledger's disk is full";
    conditions.push_back({"ledger", complaint.empty(), complaint});
  }
  return conditions;
}

HttpServer::Site monitoring_site(const Monitored& of) {
  HttpServer::Site site;
  site.pages = {{"/metrics", [&of] { return metrics_page(of); }},
                {"/healthz", [&of] { return health_page(of); }},
                {"/readyz", [&of] { return ready_page(of); }},
                {"/version", [&of] { return version_page(of); }},
                {"/ui", ui_page},
                {"/ui/", ui_redirect}};
  site.asked = {{"/events", [&of](std::string_view query) {
                   return events_answer(of.gateway->events(), of.io, query);
                 }}};
  site.trees = {{"/ledger/", [&of](std::string_view path, const HttpServer::Reply& reply) {
                   of.ledger_pages->answer(path, reply);
                 }}};
  site.trees["/ui/"] = [&of](std::string_view path, const HttpServer::Reply& reply) {
    of.ui->answer(path, reply);
  };
  site.queried = {{"/backend/", [&of](std::string_view path, const HttpServer::Reply& reply) {
                     answer_quiet_page(*of.gateway, of.threads, path, reply);
                   }}};
  site.make_pieces = [&of](std::function<void()> job) { of.threads.answer(std::move(job)); };
  site.verbose = {{"/readyz", [&of] { return verbose_ready_page(of); }}};
  return site;
}

}  // namespace sluice::ctrl
