#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>

#include "common/drop_reason_help.h"
#include "crypto/encoding.h"
#include "ctrl/intent/whole_file.h"
#include "ctrl/wire/pcapng.h"
#include "sluicectl/session.h"
#include "sluicectl/time_text.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

struct DropsArguments {
  std::string reason, file;
  bool recent = false;
  uint64_t limit = 0;  ///< 0: as the gateway has it
};

std::vector<std::string> drop_reasons() {
  std::vector<std::string> names;
  for (const auto& row : kDropReasonHelp) names.emplace_back(row.reason);
  return names;
}

/// All reasons with their counters, or one with what it means.
void show_counters(Session& session, const std::string& reason) {
  if (reason.empty()) return session.show("drops.get", json::object());
  const auto counted = session.call("drops.get", json::object());
  if (!counted) return session.report(counted.error());
  const auto& help = *std::ranges::find(kDropReasonHelp, reason, &DropReasonHelp::reason);
  session.print({{"reason", reason},
                 {"packets", (*counted)[reason]},
                 {"meaning", help.meaning},
                 {"remedy", help.remedy}});
}

std::string comment_of(const json& drop) {
  std::string text = "dropped: " + drop.value("reason", "") + ", worker " + drop["worker"].dump() +
                     ", generation " + drop["generation"].dump();
  if (drop["service"].is_string()) text += ", service " + drop["service"].get<std::string>();
  return text + ", " + drop.value("detail", "");
}

/// Oldest first, as captures are. Nothing: an answer that is none.
std::optional<std::string> pcapng_of(const json& drops) {
  std::string file;
  ctrl::pcapng::add_section(file, "sluicectl");
  std::map<std::string, uint32_t> interfaces;
  for (const json& drop : drops) interfaces.emplace(drop.value("port", ""), 0);
  constexpr uint32_t kBytes = 128;
  uint32_t number = 0;
  for (auto& [port, interface] : interfaces) {
    ctrl::pcapng::add_interface(file, port, kBytes);
    interface = number++;
  }
  for (auto drop = drops.rbegin(); drop != drops.rend(); ++drop) {
    const auto bytes = crypto::from_base64(drop->value("bytes", "-"));
    if (!bytes) return std::nullopt;
    const double microseconds = std::round(drop->value("time", 0.0) * 1e6);
    ctrl::pcapng::add_packet(file, {.interface = interfaces[drop->value("port", "")],
                                    .time_ns = static_cast<uint64_t>(microseconds) * 1000,
                                    .bytes = *bytes,
                                    .length = drop->value("length", 0u),
                                    .comment = comment_of(*drop)});
  }
  return file;
}

void write(Session& session, const json& drops, const std::string& name) {
  const auto file = pcapng_of(drops);
  if (!file) return session.report(ExitCode::kRefused, "the gateway sends what is no base64");
  if (name == "-") {
    std::fwrite(file->data(), 1, file->size(), stdout);
  } else if (const auto written = ctrl::replace_file(name, *file, 0644); !written) {
    session.report(ExitCode::kRefused, written.error().message);
  }
}

void show_recent(Session& session, const DropsArguments& arguments) {
  json params = json::object();
  if (!arguments.reason.empty()) params["reason"] = arguments.reason;
  if (arguments.limit != 0) params["limit"] = arguments.limit;
  auto drops = session.call("drops.recent", params);
  if (!drops) return session.report(drops.error());
  if (!arguments.file.empty()) return write(session, *drops, arguments.file);
  if (session.output() == Format::kTable) {
    for (json& drop : *drops) drop["time"] = time_text(drop.value("time", 0.0));
  }
  session.print(*drops, {"time", "worker", "port", "reason", "generation", "service", "detail"});
}

void run(Session& session, const DropsArguments& arguments) {
  if (arguments.recent || !arguments.file.empty()) return show_recent(session, arguments);
  show_counters(session, arguments.reason);
}

}  // namespace

void add_drops_command(Command app, Session& session) {
  auto arguments = std::make_shared<DropsArguments>();
  auto drops = app.add("drops", "Show how many packets were dropped, by reason, and the last of them");
  drops
      .option("REASON", arguments->reason,
              "this one only: what it means, and what to do; with --recent its packets")
      .one_of(drop_reasons());
  drops.flag("--recent", arguments->recent,
             "the packets themselves, the last 64 of each reason and worker, newest first");
  drops.option("--limit", arguments->limit, "with --recent: at most so many; 1000 unless given").above_zero();
  drops
      .option("-w,--write", arguments->file,
              "the same as a pcapng file, or - for the standard output; why each was dropped is its comment")
      .of_type("FILE|-");
  drops.run([&session, arguments] { run(session, *arguments); });
}

}  // namespace sluice::sluicectl
