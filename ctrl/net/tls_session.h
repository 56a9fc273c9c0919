// TLS: which authorities a client trusts, and one session over a connection, as a client or as a server. One
// thread. Members throw PeerFault or HostFault.
#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>

#include <array>
#include <compare>
#include <ctime>
#include <map>
#include <memory>
#include <string>

#include "common/address.h"
#include "ctrl/net/byte_stream.h"

namespace sluice::ctrl {

/// Names of PEM files.
struct TlsFiles {
  std::string ca;           ///< authorities; empty: the system's
  std::string certificate;  ///< the client's own, with those that vouch for it; empty: none
  std::string key;          ///< of the certificate
  auto operator<=>(const TlsFiles&) const = default;
};

/// What clients trust and show, read once for each set of files, and again when one of them changes.
class TlsContexts {
 public:
  /// Throws HostFault where a file cannot be read.
  std::shared_ptr<SSL_CTX> with(const TlsFiles& files);

 private:
  struct Version {
    ino_t file = 0;
    time_t seconds = 0;
    long nanoseconds = 0;
    bool operator==(const Version&) const = default;
  };
  using Versions = std::array<Version, 3>;
  static Version version_of(const std::string& path);
  struct Entry {
    std::shared_ptr<SSL_CTX> context;
    Versions versions;
  };
  std::map<TlsFiles, Entry> contexts_;
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
  /// As a server, with what `context` says of the client's certificate.
  TlsSession(ByteStream& stream, SSL_CTX& context);

  boost::asio::awaitable<void> handshake();
  boost::asio::awaitable<size_t> read_some(std::span<uint8_t> bytes) override;
  boost::asio::awaitable<void> write(std::span<const uint8_t> bytes) override;
  /// To be asked for in the handshake (RFC 7301): "http/1.1".
  void offer_protocol(std::string_view name);
  std::string version() const;  ///< after the handshake: "TLSv1.3"
  /// Says that nothing more will be written.
  boost::asio::awaitable<void> close();
  /// As a server: the client has sent data before the handshake was over, which was thrown away.
  bool was_sent_early_data() const;
  /// As a server: the client wanted to negotiate anew, which ends the session.
  bool has_renegotiated() const { return has_renegotiated_; }
  const SSL& native() const { return *session_; }

 private:
  /// Does what OpenSSL wants after `result`. False: the peer has ended.
  boost::asio::awaitable<bool> goes_on_after(int result);
  /// Sends what OpenSSL has made ready.
  boost::asio::awaitable<void> flush();
  std::string words_for_failure() const;
  static void note(const SSL* session, int where, int alert);

  ByteStream& stream_;
  std::unique_ptr<SSL, decltype(&::SSL_free)> session_;
  BIO* received_ = nullptr;  ///< the session's: records that came
  BIO* ready_ = nullptr;     ///< the session's: records to be sent
  bool has_renegotiated_ = false;
  bool is_flushing_ = false;  ///< a coroutine sends what is ready; another one leaves it to that
};

}  // namespace sluice::ctrl
