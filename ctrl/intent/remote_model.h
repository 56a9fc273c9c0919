// `remote` and `audit` of the configuration: control from afar, and what becomes of everybody's calls.
#pragma once

#include <string>
#include <vector>

#include "ctrl/intent/access_model.h"
#include "ctrl/intent/role.h"

namespace sluice::ctrl {

/// The role of those whose client certificate has this subject, or this URI.
struct RoleRule {
  std::string subject;  ///< the whole of it, as RFC 4514 writes it; empty: `san` counts
  std::string san;      ///< a URI among its subject alternative names, exactly
  Role role = Role::kView;
  bool operator==(const RoleRule&) const = default;
};

struct RemoteModel {
  std::string listen;  ///< ADDRESS:PORT
  ServerTlsModel tls;
  std::vector<RoleRule> roles;
  TokenModel jwt;
  bool operator==(const RemoteModel&) const = default;
};

struct AuditModel {
  std::string file;  ///< absolute; empty: on the log alone
  bool operator==(const AuditModel&) const = default;
};

}  // namespace sluice::ctrl
