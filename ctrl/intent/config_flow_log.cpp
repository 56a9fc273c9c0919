#include "ctrl/intent/config_flow_log.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "ctrl/intent/config_values.h"
#include "ctrl/wire/url.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using Kind = FlowLogModel::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 4> kFlowLogSchemes = {{
    {"file:", Kind::kFile},
    {"ipfix:", Kind::kIpfixUdp},
    {"ipfix+tcp:", Kind::kIpfixTcp},
    {"ipfix+udp:", Kind::kIpfixUdp},
}};
constexpr uint16_t kIpfixPort = 4739;  // RFC 7011, section 10.3.4

Result<FlowLogModel> parse_destination(std::string_view text) {
  FlowLogModel model;
  for (const auto& [scheme, kind] : kFlowLogSchemes) {
    if (!text.starts_with(scheme)) continue;
    model.kind = kind;
    const std::string_view rest = text.substr(scheme.size());
    if (kind == Kind::kFile) {
      auto path = parse_absolute_path(rest);
      if (!path) return fail("must name a file by its whole path, such as file:/var/log/sluice/flows.jsonl");
      model.path = std::move(*path);
      return model;
    }
    const bool has_scheme = rest.find('/') != std::string_view::npos;
    const auto url = has_scheme ? fail("") : parse_server_url(rest, {.port = kIpfixPort});
    if (!url) return fail("must name a collector, such as " + std::string(scheme) + "192.0.2.1:4739");
    model.host = url->host;
    model.port = url->port;
    return model;
  }
  return fail("must begin with \"file:\", \"ipfix:\" (UDP) or \"ipfix+tcp:\"");
}

}  // namespace

std::optional<FlowLogModel> decode_flow_log(const Cursor& flow_log) {
  if (!flow_log) return std::nullopt;
  FlowLogModel model;
  if (!flow_log.parse("to", parse_destination, model)) return std::nullopt;
  flow_log.read("sample", model.sample);
  return model;
}

std::string destination_text(const FlowLogModel& flow_log) {
  if (flow_log.kind == Kind::kFile) return "file:" + flow_log.path;
  const bool is_v6 = flow_log.host.find(':') != std::string::npos;
  return std::string(flow_log.kind == Kind::kIpfixTcp ? "ipfix+tcp:" : "ipfix:") +
         (is_v6 ? "[" + flow_log.host + "]" : flow_log.host) + ":" + std::to_string(flow_log.port);
}

json encode_flow_log(const FlowLogModel& flow_log) {
  return {{"to", destination_text(flow_log)}, {"sample", flow_log.sample}};
}

}  // namespace sluice::ctrl
