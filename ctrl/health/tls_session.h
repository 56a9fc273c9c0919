// TLS as a client, for checks: which authorities are trusted, and one session over a check's connection.
// Control loop.
#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>

#include <ctime>
#include <map>
#include <memory>
#include <string>

#include "common/address.h"
#include "ctrl/health/byte_stream.h"
#include "ctrl/health/check_connection.h"

namespace sluice::ctrl {

/// What clients trust, read once for each file of certificates, and again when the file changes.
class TlsContexts {
 public:
  /// `ca` names a PEM file; empty: the system's authorities. Throws CheckImpossible where it cannot be read.
  std::shared_ptr<SSL_CTX> trusting(const std::string& ca);

 private:
  struct Entry {
    std::shared_ptr<SSL_CTX> context;
    ino_t file = 0;
    timespec changed{};
  };
  std::map<std::string, Entry> contexts_;
};

/// Whom a session is with.
struct TlsPeer {
  std::string name;  ///< for SNI and the certificate; empty: the certificate must be for `address`
  IpAddress address;
  bool insecure = false;  ///< any certificate will do
};

class TlsSession : public ByteStream {
 public:
  /// `stream` is connected and outlives the session.
  TlsSession(ByteStream& stream, SSL_CTX& context, const TlsPeer& peer);

  boost::asio::awaitable<void> handshake();
  boost::asio::awaitable<size_t> read_some(std::span<uint8_t> bytes) override;
  boost::asio::awaitable<void> write(std::span<const uint8_t> bytes) override;
  /// To be asked for in the handshake (RFC 7301): "http/1.1".
  void offer_protocol(std::string_view name);
  std::string version() const;  ///< after the handshake: "TLSv1.3"

 private:
  /// Does what OpenSSL wants after `result`. False: the peer has ended.
  boost::asio::awaitable<bool> goes_on_after(int result);
  /// Sends what OpenSSL has made ready.
  boost::asio::awaitable<void> flush();
  [[noreturn]] void fail() const;

  ByteStream& stream_;
  std::unique_ptr<SSL, decltype(&::SSL_free)> session_;
  BIO* received_ = nullptr;  ///< the session's: records that came
  BIO* ready_ = nullptr;     ///< the session's: records to be sent
};

}  // namespace sluice::ctrl
