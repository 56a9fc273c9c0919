#include "ctrl/intent/config_sources.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string>

#include "ctrl/intent/client_tls.h"
#include "ctrl/intent/config_duration.h"
#include "ctrl/intent/config_values.h"
#include "ctrl/intent/file_reference.h"
#include "ctrl/intent/source_keys.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::string_view kFile = "file:";
constexpr milliseconds kShortestResync{1000};

/// `port` of kubernetes may be a name.
std::string port_text(const Cursor& port) {
  if (!port) return "";
  return port.value().is_number() ? std::to_string(port.value().get<unsigned>())
                                  : port.value().get<std::string>();
}

bool is_port_number(const std::string& text) {
  uint16_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  return code == std::errc{} && end == text.data() + text.size() && number != 0;
}

/// Faults of keys that a type does not have, and of those that it must have.
void check_keys(const Cursor& object, const std::vector<std::string_view>& keys,
                const std::set<std::string_view>& common, std::string_view type, Cursor::Faults& faults) {
  for (const auto& [key, value] : object.value().items()) {
    if (common.contains(key) || SourceKeys::has(keys, key)) continue;
    faults.add(object.pointer() + "/" + escape_pointer_token(key),
               "is not for sources of type " + std::string(type));
  }
  for (const std::string_view key : keys) {
    if (!key.starts_with('*') || object.value().contains(key.substr(1))) continue;
    faults.add(object.pointer() + "/" + std::string(key.substr(1)),
               "\"" + std::string(key.substr(1)) + "\" is missing");
  }
}

void check_source(const Cursor& source, const SourceModel& model, const Draft& draft,
                  Cursor::Faults& faults) {
  static const std::set<std::string_view> kCommon = {"name",     "type",   "on_outage", "hold_for",
                                                     "on_empty", "resync", "resolver"};
  if (const SourceKeys* const keys = keys_of(model.type)) {
    check_keys(source, keys->source, kCommon, model.type, faults);
  }
  if (model.name == "file") source.member("name").fault("\"file\" is what a pool's own backends are from");
  if (model.type == "dns" && model.tls.enabled && model.endpoints.empty()) {
    source.member("tls").fault("needs \"servers\": the system's are asked without TLS");
  }
  if (model.max_ttl < model.min_ttl) source.member("max_ttl").fault("must be at least \"min_ttl\"");
  if (model.resolver.empty()) return;
  const bool is_dns = std::ranges::any_of(draft.sources, [&](const auto& other) {
    return other.value.name == model.resolver && other.value.type == "dns";
  });
  if (!is_dns)
    source.member("resolver").fault("there is no source of type dns named \"" + model.resolver + "\"");
}

void check_discover(const Cursor& discover, const DiscoverModel& model, const SourceModel& source,
                    Cursor::Faults& faults) {
  static const std::set<std::string_view> kCommon = {"source", "guard", "withdraw"};
  if (const SourceKeys* const keys = keys_of(source.type)) {
    check_keys(discover, keys->discover, kCommon, source.type, faults);
  }
  const Cursor port = discover.member("port");
  if (source.type == "dns") {
    if (!model.is_srv && !discover.value().contains("port")) {
      faults.add(discover.pointer() + "/port", "\"port\" is missing: addresses have none");
    } else if (model.is_srv && port) {
      port.fault("is what SRV records say themselves");
    } else if (port && !is_port_number(model.port)) {
      port.fault("must be a number from 1 to 65535");
    }
  } else if (source.type == "file" && !discover.spoilt("path") && model.path.size() > 0) {
    if (const auto path = parse_absolute_path(model.path); !path) {
      discover.member("path").fault(path.error().message);
    }
  }
}

}  // namespace

void decode_sources(const Cursor& sources, Draft& draft) {
  sources.each([&](const Cursor& from, size_t index) {
    SourceModel source;
    from.parse("name", parse_name, source.name);
    from.read("type", source.type);
    from.read(source.type == "dns" ? "servers" : "endpoints", source.endpoints);
    from.read("username", source.username);
    from.parse("password", parse_secret_file, source.password_file);
    from.parse("token", parse_secret_file, source.token_file);
    from.read("datacenter", source.datacenter);
    from.member("node").read("id", source.node_id);
    from.member("node").read("cluster", source.node_cluster);
    from.read("delta", source.delta);
    read_duration(from, "session_timeout", milliseconds(1000), source.session_timeout);
    read_duration(from, "min_ttl", milliseconds(100), source.min_ttl);
    read_duration(from, "max_ttl", milliseconds(100), source.max_ttl);
    decode_client_tls(from.member("tls"), source.tls);
    from.parse("ca", parse_public_file, source.tls.ca);
    milliseconds hold_for{};
    if (from.member("hold_for").parse(parse_duration, hold_for)) source.hold_for = hold_for;
    if (const Cursor word = from.member("on_empty"); word && word.value() == "hold") {
      source.on_empty = OnEmpty::kHold;
    }
    read_duration(from, "resync", kShortestResync, source.resync);
    from.read("resolver", source.resolver);
    draft.sources.push_back({std::move(source), index});
  });
}

std::optional<DiscoverModel> decode_discover(const Cursor& from) {
  if (!from) return std::nullopt;
  DiscoverModel discover;
  from.read("source", discover.source);
  from.read("name", discover.name);
  if (const Cursor record = from.member("record")) discover.is_srv = record.value() == "srv";
  discover.port = port_text(from.member("port"));
  from.read("prefix", discover.prefix);
  from.read("path", discover.path);
  from.read("service", discover.service);
  from.read("tag", discover.tag);
  from.read("namespace", discover.name_space);
  from.read("cluster", discover.cluster);
  if (const Cursor guard = from.member("guard")) discover.guard = guard.value().get<double>();
  if (const Cursor word = from.member("withdraw"); word && word.value() == "remove") {
    discover.withdraw = Withdraw::kRemove;
  }
  return discover;
}

namespace {

void check_services_from(const Cursor& root, const Draft& draft) {
  const std::string& name = draft.model.services_from;
  if (name.empty()) return;
  const auto source = std::ranges::find_if(
      draft.sources, [&](const auto& candidate) { return candidate.value.name == name; });
  const Cursor place = root.member("services_from");
  if (source == draft.sources.end()) {
    place.fault("there is no source named \"" + name + "\"");
  } else if (source->value.type != "xds") {
    place.fault("a source of type " + source->value.type + " brings no services: only xds does");
  }
}

}  // namespace

void check_sources(const Cursor& root, const Draft& draft, Cursor::Faults& faults) {
  check_services_from(root, draft);
  std::set<std::string> names;
  root.member("sources").each([&](const Cursor& source, size_t index) {
    const auto entry = std::ranges::find(draft.sources, index, &Listed<SourceModel>::index);
    if (entry == draft.sources.end()) return;
    const SourceModel& model = entry->value;
    if (!model.name.empty() && !names.insert(model.name).second) {
      source.member("name").fault("there is a source named \"" + model.name + "\" already");
    }
    check_source(source, model, draft, faults);
  });
  root.member("pools").each([&](const Cursor& pool, size_t index) {
    const Cursor discover = pool.member("discover");
    if (!discover) {
      if (!pool.value().contains("backends") && !pool.value().contains("discover")) {
        faults.add(pool.pointer() + "/backends", "\"backends\" is missing");
      }
      return;
    }
    const auto entry = std::ranges::find(draft.pools, index, &Listed<PoolDraft>::index);
    if (entry == draft.pools.end() || !entry->value.pool.discover) return;
    const DiscoverModel& model = *entry->value.pool.discover;
    const auto source = std::ranges::find_if(
        draft.sources, [&](const auto& candidate) { return candidate.value.name == model.source; });
    if (source != draft.sources.end()) {
      check_discover(discover, model, source->value, faults);
    } else if (!model.source.empty()) {
      discover.member("source").fault("there is no source named \"" + model.source + "\"");
    }
  });
}

json encode_source(const SourceModel& source) {
  const SourceKeys* const keys = keys_of(source.type);
  const auto has = [&](std::string_view key) { return keys && SourceKeys::has(keys->source, key); };
  json object = {{"name", source.name},
                 {"type", source.type},
                 {"on_outage", "hold"},
                 {"on_empty", source.on_empty == OnEmpty::kHold ? "hold" : "apply"},
                 {"resync", format_duration(source.resync)}};
  if (source.hold_for) object["hold_for"] = format_duration(*source.hold_for);
  if (!source.resolver.empty()) object["resolver"] = source.resolver;
  if (has("servers")) object["servers"] = source.endpoints;
  if (has("endpoints")) object["endpoints"] = source.endpoints;
  const auto set = [&](const char* key, const std::string& value, std::string_view prefix = "") {
    if (!value.empty()) object[key] = std::string(prefix) + value;
  };
  set("username", source.username);
  if (!source.password_file.empty()) object["password"] = secret_reference(source.password_file);
  if (!source.token_file.empty()) object["token"] = secret_reference(source.token_file);
  set("datacenter", source.datacenter);
  if (has("ca")) set("ca", source.tls.ca, kFile);
  if (has("node")) object["node"] = {{"id", source.node_id}, {"cluster", source.node_cluster}};
  if (has("delta")) object["delta"] = source.delta;
  if (has("session_timeout")) object["session_timeout"] = format_duration(source.session_timeout);
  if (has("min_ttl")) object["min_ttl"] = format_duration(source.min_ttl);
  if (has("max_ttl")) object["max_ttl"] = format_duration(source.max_ttl);
  if (source.tls.enabled) {
    object["tls"] = encode_client_tls(source.tls);
    if (has("ca")) object["tls"].erase("ca");
  }
  return object;
}

json encode_discover(const DiscoverModel& discover) {
  json object = {{"source", discover.source},
                 {"withdraw", discover.withdraw == Withdraw::kRemove ? "remove" : "drain"}};
  const auto set = [&](const char* key, const std::string& value) {
    if (!value.empty()) object[key] = value;
  };
  set("name", discover.name);
  set("prefix", discover.prefix);
  set("path", discover.path);
  set("service", discover.service);
  set("tag", discover.tag);
  set("namespace", discover.name_space);
  set("cluster", discover.cluster);
  if (!discover.name.empty()) object["record"] = discover.is_srv ? "srv" : "address";
  if (is_port_number(discover.port)) {
    object["port"] = std::stoi(discover.port);
  } else {
    set("port", discover.port);
  }
  if (discover.guard) object["guard"] = *discover.guard;
  return object;
}

}  // namespace sluice::ctrl
