#include "ctrl/access/authenticator.h"

#include <strings.h>

#include <nlohmann/json.hpp>

#include "ctrl/intent/remote_model.h"
#include "ctrl/log/log_line.h"
#include "ctrl/wire/bounded_json.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

/// How long a judgement over a certificate holds: it may expire, and so may who vouches for it.
constexpr std::chrono::seconds kJudged{5};

/// The token of an `Authorization` field; nothing where it has none.
std::optional<std::string_view> token_in(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size() ||
      ::strncasecmp(authorization.data(), kScheme.data(), kScheme.size()) != 0) {
    return std::nullopt;
  }
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  return authorization;
}

Authentication authentication_of(TokenFault fault) {
  switch (fault) {
    case TokenFault::kMalformed:
      return Authentication::kMalformed;
    case TokenFault::kAlgorithm:
      return Authentication::kAlgorithm;
    case TokenFault::kKeyId:
      return Authentication::kKeyId;
    case TokenFault::kBadSignature:
      return Authentication::kBadSignature;
    case TokenFault::kIssuer:
      return Authentication::kIssuer;
    case TokenFault::kAudience:
      return Authentication::kAudience;
    case TokenFault::kExpired:
      return Authentication::kExpired;
    case TokenFault::kNotYetValid:
      return Authentication::kNotYetValid;
  }
  return Authentication::kMalformed;
}

Authentication authentication_of(CertificateFault fault) {
  switch (fault) {
    case CertificateFault::kUntrusted:
      return Authentication::kUntrusted;
    case CertificateFault::kExpired:
      return Authentication::kExpired;
    case CertificateFault::kNotYetValid:
      return Authentication::kNotYetValid;
    case CertificateFault::kRevoked:
      return Authentication::kRevokedKey;
  }
  return Authentication::kUntrusted;
}

/// The highest that a claim names: a word, or a list of words. Others than ours are somebody else's roles.
std::optional<Role> role_in(const json& claim) {
  std::optional<Role> highest;
  const auto consider = [&](const json& word) {
    const auto role = role_named(text_in(word));
    if (role && (!highest || *highest < *role)) highest = role;
  };
  if (claim.is_array()) {
    for (const json& word : claim) consider(word);
  } else {
    consider(claim);
  }
  return highest;
}

}  // namespace

Result<Authenticator> Authenticator::open(Settings settings) {
  Authenticator authenticator(std::move(settings));
  const Settings& own = authenticator.settings_;
  if (!own.tls.certificate.empty()) {
    auto tls = TlsServer::open({.files = {own.tls.certificate, own.tls.key, own.tls.client_ca},
                                .protocol = own.protocol,
                                .clients = own.clients,
                                .must_key_be_private = own.must_key_be_private});
    if (!tls) return fail(own.key + ".tls: " + tls.error().message, "/" + own.key + "/tls");
    authenticator.tls_ = std::move(*tls);
  }
  if (!own.jwt.keys.empty()) {
    auto keys = TokenKeyFile::open(own.jwt.keys);
    if (!keys) {
      return fail(own.key + ".jwt.keys: " + keys.error().message, "/" + own.key + "/jwt/keys");
    }
    authenticator.keys_ = std::move(*keys);
  }
  return authenticator;
}

std::shared_ptr<SSL_CTX> Authenticator::tls() {
  if (!tls_) return nullptr;
  return tls_->context([this](const std::string& complaint) {
    ++rejected_.tls;
    log_warning({settings_.key, ".tls: what was read last still counts: ", complaint});
  });
}

void Authenticator::look() {
  (void)tls();
  if (!keys_) return;
  keys_->look([this](const std::string& complaint) {
    ++rejected_.jwt;
    log_warning({settings_.key, ".jwt.keys: what was read last still counts: ", complaint});
  });
}

void Authenticator::judge(JudgedCertificate& peer) {
  if (!peer.session || settings_.tls.client_ca.empty()) return;
  if (!peer.judged_by) peer.certificate = peer_certificate(peer.session->native());
  if (!peer.certificate) return;
  const auto now = std::chrono::steady_clock::now();
  auto context = tls();
  if (context == peer.judged_by && now - peer.judged < kJudged) return;
  peer.fault = certificate_fault(peer.session->native(), *context);
  peer.judged_by = std::move(context);
  peer.judged = now;
}

tl::expected<Identity, Authentication> Authenticator::identify_by_token(std::string_view token) {
  if (!keys_) return tl::unexpected(Authentication::kKeyId);  // nobody's tokens are taken
  look();
  const auto claims = keys_->keys().verify(token, {settings_.jwt.issuer, settings_.jwt.audience},
                                           std::chrono::system_clock::now());
  if (!claims) {
    const bool is_revoked = claims.error() == TokenFault::kKeyId && keys_->has_left(key_id_of(token));
    return tl::unexpected(is_revoked ? Authentication::kRevokedKey : authentication_of(claims.error()));
  }
  const auto read = parse_bounded_json(*claims);
  const json& object = read ? *read : json();
  return Identity{std::string(text_in(member(object, "sub"))),
                  std::string(text_in(member(object, "iss"))),
                  false,
                  {},
                  role_in(member(object, settings_.jwt.role_claim))};
}

tl::expected<Identity, Authentication> Authenticator::identify(JudgedCertificate& peer,
                                                               std::string_view authorization) {
  if (!authorization.empty()) {
    const auto token = token_in(authorization);
    if (!token) return tl::unexpected(Authentication::kMalformed);
    return identify_by_token(*token);
  }
  judge(peer);
  if (!peer.certificate) return tl::unexpected(Authentication::kNoCredentials);
  if (peer.fault) return tl::unexpected(authentication_of(*peer.fault));
  return Identity{peer.certificate->subject, peer.certificate->issuer, true, peer.certificate->uris, {}};
}

Authenticator::Settings remote_settings(const RemoteModel& model) {
  return {.key = "remote",
          .tls = model.tls,
          .jwt = model.jwt,
          .protocol = "http/1.1",
          .clients = TlsServer::Clients::kAreJudgedLater,
          .must_key_be_private = true};
}

}  // namespace sluice::ctrl
