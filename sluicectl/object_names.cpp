#include "sluicectl/object_names.h"

#include <algorithm>
#include <array>
#include <set>

#include "sluicectl/session.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

/// Where the names that an option takes come from: the member of each element of what a method answers.
struct NameSource {
  std::string_view option;
  std::string_view method;
  std::string_view member;
  std::string_view what;  ///< the member that says more of it; may be empty
};

constexpr auto kSources = std::to_array<NameSource>({
    {"component", "log.list", "component", "level"},
    {"generation", "config.history", "generation", "time"},
    {"inspection", "inspection.list", "name", "state"},
    {"method", "system.methods", "name", "help"},
    {"pool", "backend.list", "pool", ""},
    {"service", "service.list", "service", "pool"},
    {"source", "source.list", "name", "state"},
    {"tunnel", "tunnel.list", "tunnel", "state"},
});

std::string text_of(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// The answer's list, or an empty one.
json list_of(Session& session, std::string_view method) {
  auto answer = session.call(std::string(method), json::object());
  return answer && answer->is_array() ? std::move(*answer) : json::array();
}

std::string endpoint_text(const json& backend) {
  const std::string address = backend.value("address", "");
  const auto port = backend.value("port", 0);
  if (port == 0) return address;
  const bool is_ipv6 = address.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

std::vector<Candidate> backends(Session& session, const std::map<std::string, std::string>& given) {
  const auto pool = given.find("pool");
  std::vector<Candidate> found;
  for (const json& backend : list_of(session, "backend.list")) {
    if (pool != given.end() && backend.value("pool", "") != pool->second) continue;
    found.push_back({endpoint_text(backend), backend.value("state", "") + ", " +
                                                 text_of(backend.value("active_flows", json(0))) + " flows"});
  }
  return found;
}

std::vector<Candidate> ports(Session& session) {
  const auto answer = session.call("stats.get", json::object());
  std::vector<Candidate> found;
  if (!answer || !answer->contains("ports")) return found;
  for (const json& port : answer->at("ports")) found.push_back({port.value("port", "")});
  return found;
}

}  // namespace

std::vector<Candidate> object_names(Session& session, std::string_view option,
                                    const std::map<std::string, std::string>& given) {
  if (option == "backend") return backends(session, given);
  if (option == "port") return ports(session);
  const auto* source = std::ranges::find(kSources, option, &NameSource::option);
  if (source == kSources.end()) return {};
  std::vector<Candidate> found;
  std::set<std::string> known;
  for (const json& element : list_of(session, source->method)) {
    const auto name = element.find(source->member);
    if (name == element.end() || !known.insert(text_of(*name)).second) continue;
    const auto what = source->what.empty() ? element.end() : element.find(source->what);
    found.push_back({text_of(*name), what == element.end() ? "" : text_of(*what)});
  }
  return found;
}

}  // namespace sluice::sluicectl
