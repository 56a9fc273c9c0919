#include "ctrl/intent/config_remote.h"

#include <nlohmann/json.hpp>
#include <string>

#include "ctrl/intent/config_access.h"
#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

/// One who is meant by `subject`, or by `san`.
void decode_role(const Cursor& entry, RemoteModel& model) {
  RoleRule rule;
  entry.read("subject", rule.subject);
  entry.read("san", rule.san);
  if (const Cursor role = entry.member("role"))
    rule.role = *role_named(role.value().get_ref<const std::string&>());
  const bool is_spoilt = entry.spoilt("subject") || entry.spoilt("san");
  if (rule.subject.empty() == rule.san.empty() && !is_spoilt) {
    entry.fault("must have either \"subject\" or \"san\"");
  }
  model.roles.push_back(std::move(rule));
}

/// Without authorities nobody's certificate is believed.
void check_roles(const Cursor& remote, const RemoteModel& model) {
  const Cursor tls = remote.member("tls");
  if (model.roles.empty() || !tls || !model.tls.client_ca.empty() || tls.spoilt("client_ca")) return;
  remote.member("roles").fault(
      "are those of client certificates: \"tls\" needs \"client_ca\" to know them by");
}

}  // namespace

std::optional<RemoteModel> decode_remote(const Cursor& remote) {
  if (!remote) return std::nullopt;
  RemoteModel model;
  remote.parse("listen", parse_listen, model.listen);
  model.tls = decode_server_tls(remote.member("tls"));
  remote.member("roles").each([&](const Cursor& entry, size_t) { decode_role(entry, model); });
  model.jwt = decode_tokens(remote.member("jwt"));
  check_roles(remote, model);
  return model;
}

json encode_remote(const RemoteModel& remote) {
  json object = {{"listen", remote.listen}, {"roles", json::array()}};
  for (const RoleRule& rule : remote.roles) {
    json entry = {{"role", name_of(rule.role)}};
    entry[rule.subject.empty() ? "san" : "subject"] = rule.subject.empty() ? rule.san : rule.subject;
    object["roles"].push_back(std::move(entry));
  }
  encode_access(object, remote.tls, remote.jwt);
  if (!remote.jwt.keys.empty()) object["jwt"]["role_claim"] = remote.jwt.role_claim;
  return object;
}

AuditModel decode_audit(const Cursor& audit) {
  AuditModel model;
  audit.parse("file", parse_absolute_path, model.file);
  return model;
}

json encode_audit(const AuditModel& audit) {
  json object = json::object();
  if (!audit.file.empty()) object["file"] = audit.file;
  return object;
}

}  // namespace sluice::ctrl
