// What a TLS server shows and whom it trusts, read from files and again when they change. One thread.
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
  std::string client_ca;    ///< authorities of clients' certificates; empty: clients are not asked for one
};

class TlsServer {
 public:
  struct Settings {
    TlsServerFiles files;
    std::string protocol;               ///< that is agreed upon where a client offers it: "h2"
    bool requires_certificate = false;  ///< of a client; only with client_ca
  };

  /// An Error names the file that cannot be read.
  static Result<TlsServer> open(Settings settings);

  /// For new connections. Files are looked at again after kFresh; where they are no good, what was good last
  /// holds, and `complain` is told so, once.
  std::shared_ptr<SSL_CTX> context(const std::function<void(const std::string&)>& complain);

 private:
  static constexpr std::chrono::seconds kFresh{2};
  TlsServer(Settings settings, std::shared_ptr<SSL_CTX> context);
  std::string versions() const;

  Settings settings_;
  std::shared_ptr<SSL_CTX> context_;
  std::string versions_;  ///< of the files, when they were read
  std::chrono::steady_clock::time_point looked_;
};

}  // namespace sluice::ctrl
