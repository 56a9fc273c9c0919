#include "ctrl/intent/config_registry.h"

#include <nlohmann/json.hpp>
#include <string>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/file_reference.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kShortestTtl{1000};

void decode_tls(const Cursor& tls, RegistryModel& target) {
  if (!tls) return;
  tls.parse("certificate", parse_public_file, target.certificate);
  tls.parse("key", parse_secret_file, target.key);
  tls.parse("client_ca", parse_public_file, target.client_ca);
}

void decode_jwt(const Cursor& jwt, RegistryModel& target) {
  if (!jwt) return;
  jwt.parse("keys", parse_public_file, target.jwt_keys);
  jwt.read("issuer", target.jwt_issuer);
  jwt.read("audience", target.jwt_audience);
}

}  // namespace

std::optional<RegistryModel> decode_registry(const Cursor& registry) {
  if (!registry) return std::nullopt;
  RegistryModel model;
  registry.parse("http", parse_listen, model.http);
  registry.parse("grpc", parse_listen, model.grpc);
  registry.parse("state", parse_absolute_path, model.state);
  decode_tls(registry.member("tls"), model);
  decode_jwt(registry.member("jwt"), model);
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
  const auto set = [](json& into, const char* key, const std::string& value, const char* prefix = "") {
    if (!value.empty()) into[key] = prefix + value;
  };
  set(object, "http", registry.http);
  set(object, "grpc", registry.grpc);
  set(object, "state", registry.state);
  if (!registry.certificate.empty()) {
    json tls;
    set(tls, "certificate", registry.certificate, "file:");
    set(tls, "key", registry.key, "file:");
    set(tls, "client_ca", registry.client_ca, "file:");
    object["tls"] = std::move(tls);
  }
  if (!registry.jwt_keys.empty()) {
    json jwt;
    set(jwt, "keys", registry.jwt_keys, "file:");
    set(jwt, "issuer", registry.jwt_issuer);
    set(jwt, "audience", registry.jwt_audience);
    object["jwt"] = std::move(jwt);
  }
  return object;
}

}  // namespace sluice::ctrl
