#include "sluicectl/session.h"

#include <cstdio>

namespace sluice::sluicectl {

using nlohmann::json;

namespace {

/// A failure for programs: as JSON-RPC's error has it, with the exit code. `places`: the faults once more, by
/// file, line and column, where they are of a file.
json failure_object(const Failure& failure, const std::vector<std::string>& places) {
  json faults = json::array();
  for (const auto& fault : failure.faults) {
    faults.push_back({{"pointer", fault.pointer}, {"message", fault.message}});
  }
  return {{"error",
           {{"code", static_cast<int>(failure.code)},
            {"message", failure.message},
            {"hint", failure.hint},
            {"faults", std::move(faults)},
            {"places", places}}}};
}

void print_lines(const std::vector<std::string>& lines) {
  for (const auto& line : lines) std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace

Format Session::output() const {
  return format == "json" ? Format::kJson : format == "yaml" ? Format::kYaml : Format::kTable;
}

Attempt<Client*> Session::client() {
  if (!client_) {
    const auto timeout = std::chrono::milliseconds(static_cast<int64_t>(timeout_seconds * 1000));
    auto client =
        remote.url.empty() ? SocketClient::connect(socket, timeout) : connect_from_afar(remote, timeout);
    if (!client) return tl::unexpected(client.error());
    client_ = std::move(*client);
  }
  return client_.get();
}

Attempt<json> Session::call(const std::string& method, const json& params) {
  const auto connected = client();
  if (!connected) return tl::unexpected(connected.error());
  return (*connected)->call(method, params);
}

void Session::show(const std::string& method, const json& params,
                   const std::vector<std::string_view>& columns) {
  const auto result = call(method, params);
  if (!result) return report(result.error());
  print(*result, columns);
}

void Session::print(const json& result, const std::vector<std::string_view>& columns) const {
  std::fputs(render(result, output(), columns).c_str(), stdout);
}

void Session::report(const Failure& failure, const std::vector<std::string>& places) {
  exit_code = failure.code;
  if (output() != Format::kTable) {
    std::fputs(render(failure_object(failure, places), output(), {}).c_str(), stderr);
    return;
  }
  if (!places.empty()) return print_lines(places);
  std::fprintf(stderr, "sluicectl: %s\n", failure.message.c_str());
  for (const auto& fault : failure.faults) {
    std::fprintf(stderr, "  %s: %s\n", fault.pointer.c_str(), fault.message.c_str());
  }
  if (!failure.hint.empty()) std::fprintf(stderr, "  (%s)\n", failure.hint.c_str());
}

}  // namespace sluice::sluicectl
