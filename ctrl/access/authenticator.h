// Who somebody is who speaks with a server of the gateway: by a client certificate, or by a token, which
// decides alone where there is one. For the registry and for remote control. One thread, but for the counts.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "ctrl/access/authentication.h"
#include "ctrl/access/token_key_file.h"
#include "ctrl/intent/access_model.h"
#include "ctrl/intent/role.h"
#include "ctrl/net/peer_certificate.h"
#include "ctrl/net/tls_server.h"
#include "ctrl/net/tls_session.h"

namespace sluice::ctrl {

struct RemoteModel;

/// Somebody who is known.
struct Identity {
  std::string subject, issuer;
  bool has_certificate = false;
  std::vector<std::string> uris = {};  ///< of the certificate
  std::optional<Role> role = {};       ///< that a token gives
};

/// One connection's certificate, judged when it is first needed, and anew when what it is judged by has
/// changed.
struct JudgedCertificate {
  const TlsSession* session = nullptr;  ///< null: there is no TLS
  std::optional<PeerCertificate> certificate = {};
  std::optional<CertificateFault> fault = {};
  std::shared_ptr<SSL_CTX> judged_by = {};
  std::chrono::steady_clock::time_point judged = {};
};

class Authenticator {
 public:
  struct Settings {
    std::string key;  ///< what the configuration calls the server: "registry"
    ServerTlsModel tls;
    TokenModel jwt;
    std::string protocol;  ///< that is agreed upon in TLS
    TlsServer::Clients clients = TlsServer::Clients::kAreJudgedLater;
    bool must_key_be_private = false;
  };
  /// An Error names the file that cannot be read.
  static Result<Authenticator> open(Settings settings);

  /// For a new connection; null: without TLS.
  std::shared_ptr<SSL_CTX> tls();
  /// Looks whether files have changed; often, as it costs little.
  void look();
  /// `authorization` is the field of that name; empty: there is none.
  tl::expected<Identity, Authentication> identify(JudgedCertificate& peer, std::string_view authorization);

  /// Files that were no good when they were read anew.
  struct Rejected {
    uint64_t tls = 0, jwt = 0;
  };
  Rejected rejected() const { return rejected_; }

 private:
  explicit Authenticator(Settings settings) : settings_(std::move(settings)) {}
  tl::expected<Identity, Authentication> identify_by_token(std::string_view token);
  void judge(JudgedCertificate& peer);

  Settings settings_;
  std::optional<TlsServer> tls_;
  std::optional<TokenKeyFile> keys_;
  Rejected rejected_;
};

/// Whom remote control lets in.
Authenticator::Settings remote_settings(const RemoteModel& model);

}  // namespace sluice::ctrl
