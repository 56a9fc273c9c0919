#include "ctrl/registry/registry_access.h"

#include <utility>

namespace sluice::ctrl {

Result<RegistryAccess> RegistryAccess::open(const RegistryModel& model, std::string protocol) {
  auto authenticator =
      Authenticator::open({.key = "registry",
                           .tls = model.tls,
                           .jwt = model.jwt,
                           .protocol = std::move(protocol),
                           .clients = model.jwt.keys.empty() ? TlsServer::Clients::kMustHaveCertificate
                                                             : TlsServer::Clients::kAreJudgedLater});
  if (!authenticator) return tl::unexpected(authenticator.error());
  return RegistryAccess(model, std::move(*authenticator));
}

std::optional<std::string> RegistryAccess::refusal(JudgedCertificate& peer, std::string_view authorization) {
  if (!model_.has_authentication()) return std::nullopt;
  // Without a key set nobody's tokens mean anything.
  const auto known = authenticator_.identify(peer, model_.jwt.keys.empty() ? "" : authorization);
  if (known) return std::nullopt;
  if (known.error() != Authentication::kNoCredentials) {
    return std::string(authorization.empty() ? "the certificate" : "the token") +
           " is not taken: " + name_of(known.error());
  }
  return model_.jwt.keys.empty() ? "a client certificate is needed" : "a token is needed";
}

}  // namespace sluice::ctrl
