// What a TLS server shows and whom it trusts, read from files and again when they change. TLS 1.2 with
// forward secrecy and authenticated encryption alone, or 1.3; no renegotiation, no early data, no sessions
// that are taken up again, so that whoever connects is looked at anew. One thread.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "common/result.h"

namespace sluice::ctrl {

struct TlsServerFiles {
  std::string certificate;  ///< PEM, with those that vouch for it
  std::string key;          ///< of the certificate
  /// Authorities of clients' certificates, and their revocation lists where it has such; empty: clients are
  /// not asked for one.
  std::string client_ca;
};

class TlsServer {
 public:
  /// What becomes of a client whose certificate is no good, or that has none; only with client_ca.
  enum class Clients : uint8_t {
    kMustHaveCertificate,  ///< no session
    kMayHaveCertificate,   ///< no session for one that is no good
    kAreJudgedLater,       ///< a session: certificate_fault() says what is wrong
  };
  struct Settings {
    TlsServerFiles files;
    std::string protocol;  ///< that is agreed upon where a client offers it: "h2"
    Clients clients = Clients::kMayHaveCertificate;
    bool must_key_be_private =
        false;  ///< a key that others than its owner may read is refused, not only told of
  };

  /// An Error names the file that cannot be read.
  static Result<TlsServer> open(Settings settings);

  /// For new connections. Files are looked at again after kFresh; where they are no good, what was good last
  /// holds, and `complain` is told so, once.
  std::shared_ptr<SSL_CTX> context(const std::function<void(const std::string&)>& complain);

 private:
  static constexpr std::chrono::seconds kFresh{2};
  TlsServer(Settings settings, std::string versions, std::shared_ptr<SSL_CTX> context);

  Settings settings_;
  std::shared_ptr<SSL_CTX> context_;
  std::string versions_;  ///< of the files, just before they were read
  std::chrono::steady_clock::time_point looked_;
};

}  // namespace sluice::ctrl
