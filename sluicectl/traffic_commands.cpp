#include <cstdio>
#include <memory>

#include "sluicectl/endpoint.h"
#include "sluicectl/session.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

/// `SOURCE:PORT DESTINATION:PORT [PROTOCOL]` or `SOURCE PORT DESTINATION PORT [PROTOCOL]`.
Result<json> flow_params(std::vector<std::string> words) {
  json params = {{"protocol", "tcp"}};
  if (words.size() == 3 || words.size() == 5) {
    params["protocol"] = words.back();
    words.pop_back();
  }
  if (words.size() == 4) {
    const auto join = [](const std::string& address, const std::string& port) {
      return (address.find(':') == std::string::npos ? address : "[" + address + "]") + ":" + port;
    };
    words = {join(words[0], words[1]), join(words[2], words[3])};
  }
  if (words.size() != 2) return fail("give SOURCE:PORT DESTINATION:PORT [tcp|udp]");
  for (const auto& [name, text] : {std::pair("source", words[0]), std::pair("destination", words[1])}) {
    const auto endpoint = parse_endpoint(text);
    if (!endpoint) return tl::unexpected(endpoint.error());
    if (!endpoint->port) return fail("\"" + text + "\" has no port");
    params[name] = endpoint->address;
    params[std::string(name) + "_port"] = *endpoint->port;
  }
  return params;
}

void explain(Session& session, const std::vector<std::string>& words) {
  const auto params = flow_params(words);
  if (!params) return session.report(ExitCode::kUsage, params.error().message);
  const auto result = session.call("trace.explain", *params);
  if (!result) return session.report(result.error());
  if (session.output() == Format::kTable) {
    std::printf("%s\n", result->value("text", "").c_str());
  } else {
    session.print(*result);
  }
}

}  // namespace

void add_traffic_commands(Command app, Session& session) {
  auto name = std::make_shared<std::string>();
  auto service = app.add_noun("service", "Look at services");
  service.add("list", "Show every service with its counters").run([&session] {
    session.show("service.list", json::object(),
                 {"service", "address", "port", "protocol", "policy", "forward", "pools", "packets", "bytes",
                  "flows", "active_flows"});
  });
  auto table = service.add("table", "Show a service's Maglev table and its SHA-256");
  table.option("SERVICE", *name, "its name").required();
  auto pool = std::make_shared<std::string>();
  table.option("--pool,POOL", *pool, "which of its pools; needed where it has several");
  table.run([&session, name, pool] {
    json params{{"service", *name}};
    if (!pool->empty()) params["pool"] = *pool;
    session.show("service.table", params);
  });

  auto words = std::make_shared<std::vector<std::string>>();
  auto explaining = app.add("explain", "Say what would happen to a packet, and why");
  explaining.option("FLOW", *words, "SOURCE:PORT DESTINATION:PORT [tcp|udp]")
      .required()
      .at_least(2);  // two or more: flow_params() says what is too much
  explaining.run([&session, words] { explain(session, *words); });

  app.add("stats", "Show what ports and workers have counted").run([&session] {
    session.show("stats.get", json::object());
  });
  add_drops_command(app, session);
  auto neighbor = app.add_noun("neighbor", "Look at neighbors");
  neighbor.add("list", "Show what ARP and NDP know").run([&session] {
    session.show("neighbor.list", json::object(), {"port", "address", "mac", "state"});
  });

  auto method = std::make_shared<std::string>();
  auto params = std::make_shared<std::string>("{}");
  auto call = app.add("call", "Call any method of the control socket");
  call.option("METHOD", *method, "system.methods lists them").required();
  call.option("PARAMS", *params, "a JSON object or array");
  call.run([&session, method, params] {
    const json value = json::parse(*params, nullptr, false);
    if (!value.is_structured())
      return session.report(ExitCode::kUsage, "PARAMS must be a JSON object or array");
    session.show(*method, value);
  });
}

}  // namespace sluice::sluicectl
