#include "ctrl/intent/config_registry.h"

#include <nlohmann/json.hpp>
#include <string>

#include "ctrl/intent/config_access.h"
#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kShortestTtl{1000};

}  // namespace

std::optional<RegistryModel> decode_registry(const Cursor& registry) {
  if (!registry) return std::nullopt;
  RegistryModel model;
  registry.parse("http", parse_listen, model.http);
  registry.parse("grpc", parse_listen, model.grpc);
  registry.parse("state", parse_absolute_path, model.state);
  model.tls = decode_server_tls(registry.member("tls"));
  model.jwt = decode_tokens(registry.member("jwt"));
  const Cursor ttl = registry.member("ttl");
  if (milliseconds duration{}; ttl.parse(parse_duration, duration)) {
    if (duration < kShortestTtl) ttl.fault("must be at least " + format_duration(kShortestTtl));
    model.ttl = duration;
  }
  if (model.http.empty() && model.grpc.empty() && !registry.spoilt("http") && !registry.spoilt("grpc")) {
    registry.fault("has neither \"http\" nor \"grpc\" to listen on");
  }
  return model;
}

json encode_registry(const RegistryModel& registry) {
  json object = {{"ttl", format_duration(registry.ttl)}};
  const auto set = [&object](const char* key, const std::string& value) {
    if (!value.empty()) object[key] = value;
  };
  set("http", registry.http);
  set("grpc", registry.grpc);
  set("state", registry.state);
  encode_access(object, registry.tls, registry.jwt);
  return object;
}

}  // namespace sluice::ctrl
