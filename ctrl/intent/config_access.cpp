#include "ctrl/intent/config_access.h"

#include <nlohmann/json.hpp>
#include <string>

#include "ctrl/intent/file_reference.h"

namespace sluice::ctrl {

using nlohmann::json;

ServerTlsModel decode_server_tls(const Cursor& tls) {
  ServerTlsModel model;
  tls.parse("certificate", parse_public_file, model.certificate);
  tls.parse("key", parse_secret_file, model.key);
  tls.parse("client_ca", parse_public_file, model.client_ca);
  return model;
}

TokenModel decode_tokens(const Cursor& jwt) {
  TokenModel model;
  jwt.parse("keys", parse_public_file, model.keys);
  jwt.read("issuer", model.issuer);
  jwt.read("audience", model.audience);
  jwt.read("role_claim", model.role_claim);
  return model;
}

void encode_access(json& object, const ServerTlsModel& tls, const TokenModel& jwt) {
  const auto set = [](json& into, const char* key, const std::string& value, const char* prefix = "") {
    if (!value.empty()) into[key] = prefix + value;
  };
  if (!tls.certificate.empty()) {
    json& member = object["tls"];
    set(member, "certificate", tls.certificate, "file:");
    set(member, "key", secret_reference(tls.key));
    set(member, "client_ca", tls.client_ca, "file:");
  }
  if (!jwt.keys.empty()) {
    json& member = object["jwt"];
    set(member, "keys", jwt.keys, "file:");
    set(member, "issuer", jwt.issuer);
    set(member, "audience", jwt.audience);
  }
}

}  // namespace sluice::ctrl
