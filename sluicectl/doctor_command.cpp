#include <algorithm>
#include <memory>

#include "sluicectl/doctor.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

/// Nothing: no gateway answers, or says nothing of that.
std::optional<GatewayNeeds> needs_of(Session& session) {
  const auto answer = session.call("config.get", json::object());
  if (!answer) return std::nullopt;
  const json& config = (*answer)["config"];
  GatewayNeeds needs;
  const json gateway = config.value("gateway", json::object());
  for (const json& argument : gateway.value("eal", json::array())) {
    if (argument == "--no-huge") needs.uses_huge_pages = false;
  }
  for (const char* const key : {"workers", "lb_workers", "hash_workers"}) {
    for (const json& cpu : gateway.value(key, json::array())) needs.cpus.push_back(cpu.get<unsigned>());
  }
  for (const json& port : config.value("ports", json::array())) {
    const std::string device = port.value("device", "");
    constexpr size_t kAddress = 12;  // 0000:3b:00.0
    if (device.size() >= kAddress && device[4] == ':') needs.pci_ports.push_back(device.substr(0, kAddress));
  }
  return needs;
}

/// How the gateway itself fares.
Check gateway_check(Session& session) {
  const auto info = session.call("system.info", json::object());
  if (!info) {
    return {"gateway", CheckState::kWarning, info.error().message, "systemctl start sluiced"};
  }
  const std::string detail =
      "sluiced " + info->value("version", "") + ", generation " + (*info)["generation"].dump();
  for (const json& port : info->value("ports", json::array())) {
    if (port.value("link_up", true)) continue;
    return {"gateway", CheckState::kWarning, detail + ", the link of " + port.value("name", "") + " is down",
            "look at the cable, or the interface below"};
  }
  if (!info->value("last_apply_successful", true)) {
    return {"gateway", CheckState::kWarning, detail + ", the last configuration was refused",
            "sluicectl config validate FILE"};
  }
  const auto stats = session.call("stats.get", json::object());
  const json flow_log = stats ? stats->value("flow_log", json()) : json();
  if (flow_log.is_object() && flow_log.value("lost", uint64_t{0}) > 0) {
    return {"gateway", CheckState::kWarning,
            detail + ", the flow log has lost " + flow_log["lost"].dump() + " of " +
                std::to_string(flow_log.value("lost", uint64_t{0}) + flow_log.value("records", uint64_t{0})) +
                " flows that have ended since the start",
            "make room on the disk of flow_log.to, or look at its collector"};
  }
  return {"gateway", CheckState::kOk, detail, ""};
}

void run(Session& session) {
  const std::vector<Check> checks = diagnose(session);
  const json list = checks_object(checks);
  session.print(list, {"check", "state", "detail", "fix"});
  const bool has_failed = std::ranges::find(checks, CheckState::kFailed, &Check::state) != checks.end();
  if (has_failed) session.exit_code = ExitCode::kRefused;
}

}  // namespace

std::vector<Check> diagnose(Session& session) {
  std::vector<Check> checks = examine({}, needs_of(session));
  checks.push_back(gateway_check(session));
  return checks;
}

json checks_object(const std::vector<Check>& checks) {
  json list = json::array();
  for (const Check& check : checks) {
    list.push_back({{"check", check.check},
                    {"state", word_for(check.state)},
                    {"detail", check.detail},
                    {"fix", check.fix}});
  }
  return list;
}

void add_doctor_command(Command app, Session& session) {
  app.add("doctor",
          "Look at this host: huge pages, IOMMU, driver, NUMA, CPU flags, free cores; what is wrong, and the "
          "command that mends it. Needs no gateway; exits 1 if anything has failed")
      .run([&session] { run(session); });
}

}  // namespace sluice::sluicectl
