// sluice-simulate: what a configuration would do with captured traffic. `sluicectl simulate` runs it.
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "ctrl/daemon/usage_error.h"
#include "ctrl/intent/config_values.h"
#include "ctrl/intent/load_config.h"
#include "ctrl/log/log.h"
#include "sim/replay/replay.h"
#include "sim/replay/report_json.h"
#include "sluicectl/exit_code.h"
#include "sluicectl/render.h"

namespace sluice::sim {
namespace {

using nlohmann::json;
using sluicectl::ExitCode;

struct CommandLine {
  std::string config, against, until, neighbors = "auto", format = "table";
  std::vector<std::string> in, out;
};

void add_command_line(CLI::App& app, CommandLine& line) {
  app.name("sluice-simulate");
  app.description("What a configuration would do with captured traffic; see sluicectl simulate.");
  app.add_option("--config", line.config)->required();
  app.add_option("--in", line.in)->required();
  app.add_option("--out", line.out);
  app.add_option("--until", line.until);
  app.add_option("--against", line.against);
  app.add_option("--neighbors", line.neighbors)->check(CLI::IsMember({"auto", "assumed", "captured"}));
  app.add_option("-o,--output", line.format)->check(CLI::IsMember({"table", "json", "yaml"}));
}

int fail_with(ExitCode code, const std::string& message) {
  std::fprintf(stderr, "sluicectl: %s\n", message.c_str());
  return static_cast<int>(code);
}

/// What a simulation needs no value for may be left out.
void fill_in(json& config) {
  if (!config.is_object()) return;
  json& gateway = config["gateway"];
  if (gateway.is_null()) gateway = json::object();
  if (gateway.is_object() && !gateway.contains("workers")) gateway["workers"] = {0};
  if (!config.contains("ports") || !config["ports"].is_array()) return;
  unsigned number = 0;
  for (json& port : config["ports"]) {
    if (port.is_object() && !port.contains("device")) port["device"] = "simulated" + std::to_string(number);
    ++number;
  }
}

/// Or nothing, and every fault is told.
std::optional<ctrl::Model> load_model(const std::string& path) {
  auto file = ctrl::read_config_file(path);
  if (!file) {
    std::fprintf(stderr, "%s\n", file.error().message.c_str());
    return std::nullopt;
  }
  fill_in(file->config);
  auto loaded = ctrl::check_config_file(std::move(*file));
  if (loaded) return std::move(loaded->model);
  for (const std::string& fault : loaded.error()) std::fprintf(stderr, "%s\n", fault.c_str());
  return std::nullopt;
}

/// The other configuration's replay, in a process of its own: DPDK starts once in each. Before the first one.
class OtherReplay {
 public:
  OtherReplay(ctrl::Model model, ReplayWish wish) {
    wish.out.clear();
    std::array<int, 2> ends;
    if (::pipe(ends.data()) != 0) throw std::runtime_error("no pipe");
    child_ = ::fork();
    if (child_ < 0) throw std::runtime_error("no process");
    if (child_ == 0) {
      ::close(ends[0]);
      ::_exit(answer(std::move(model), wish, ends[1]));
    }
    ::close(ends[1]);
    from_ = ends[0];
  }
  OtherReplay(const OtherReplay&) = delete;

  /// Its report, or why there is none.
  Result<json> result() {
    std::string text;
    std::array<char, 65536> part;
    for (ssize_t count; (count = ::read(from_, part.data(), part.size())) > 0;) {
      text.append(part.data(), static_cast<size_t>(count));
    }
    int status = 0;
    ::waitpid(child_, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return fail(text.empty() ? "it crashed" : text);
    return json::parse(text);
  }

 private:
  static int answer(ctrl::Model model, const ReplayWish& wish, int to) {
    const auto report = replay(std::move(model), wish);
    const std::string text = report ? report->dump() : report.error().message;
    for (size_t at = 0; at < text.size();) {
      const ssize_t written = ::write(to, text.data() + at, text.size() - at);
      if (written <= 0) return 1;
      at += static_cast<size_t>(written);
    }
    return report ? 0 : 1;
  }

  pid_t child_;
  int from_;
};

void print(const json& report, const std::string& format) {
  using sluicectl::Format;
  const std::string text =
      format == "table" ? report_text(report)
                        : sluicectl::render(report, format == "json" ? Format::kJson : Format::kYaml, {});
  std::fputs(text.c_str(), stdout);
  if (format != "table") return;
  for (const json& notice : report["notices"]) {
    std::fprintf(stderr, "note: %s\n", notice.get<std::string>().c_str());
  }
}

int run(const CommandLine& line) {
  ReplayWish wish;
  for (const std::string& word : line.in) wish.in.push_back(parse_port_file(word));
  for (const std::string& word : line.out) wish.out.push_back(parse_port_file(word));
  if (!line.until.empty()) {
    const auto until = ctrl::parse_duration(line.until);
    if (!until) return fail_with(ExitCode::kUsage, "--until: " + until.error().message);
    wish.until = *until;
  }
  const auto is_stream = [](const PortFile& file) { return file.path == "-"; };
  if (!line.against.empty() && std::ranges::any_of(wish.in, is_stream)) {
    return fail_with(ExitCode::kUsage, "--against reads the captures twice: --in needs a file");
  }
  if (line.neighbors != "auto") wish.assumes_neighbors = line.neighbors == "assumed";

  auto model = load_model(line.config);
  auto other = line.against.empty() ? std::optional<ctrl::Model>() : load_model(line.against);
  if (!model || (!other && !line.against.empty())) return static_cast<int>(ExitCode::kConfigInvalid);
  ctrl::open_log({.level = "warning"}, ctrl::LogTarget::kStderr);
  std::optional<OtherReplay> against;
  if (other) against.emplace(std::move(*other), wish);

  auto report = replay(std::move(*model), wish);
  if (!report) return fail_with(ExitCode::kRefused, report.error().message);
  bool differs = false;
  if (against) {
    const auto after = against->result();
    if (!after) return fail_with(ExitCode::kRefused, line.against + ": " + after.error().message);
    (*report)["moved"] = moved_flows(*report, *after);
    differs = !(*report)["moved"].empty();
  }
  print(*report, line.format);
  return static_cast<int>(differs ? ExitCode::kDifferent : ExitCode::kOk);
}

int main(int argc, char** argv) {
  CLI::App app;
  CommandLine line;
  add_command_line(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ctrl::show_usage_error(app, error) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }
  try {
    return run(line);
  } catch (const std::exception& error) {
    return fail_with(ExitCode::kRefused, error.what());
  }
}

}  // namespace
}  // namespace sluice::sim

int main(int argc, char** argv) {
  return sluice::sim::main(argc, argv);
}
