// A connection to a server, with or without TLS, each step within the time that was set last. Members throw
// PeerFault or HostFault. One thread; one coroutine at a time reads, and one writes.
#pragma once

#include <memory>

#include "ctrl/net/connection.h"
#include "ctrl/net/tls_session.h"

namespace sluice::ctrl {

class ClientStream : public ByteStream {
 public:
  ClientStream(boost::asio::io_context& io, StopSignal& stop) : connection_(io, stop) {}

  /// From now on; takes the place of what was said before.
  void expires_after(std::chrono::milliseconds time) { connection_.expires_after(time); }
  boost::asio::awaitable<void> connect(const IpAddress& address, uint16_t port) {
    return connection_.connect(address, port);
  }
  /// From here on all goes over TLS. `protocol` is offered in the handshake; empty: none.
  boost::asio::awaitable<void> secure(SSL_CTX& context, const TlsPeer& peer, std::string_view protocol);
  boost::asio::awaitable<size_t> read_some(std::span<uint8_t> bytes) override;
  /// Throws PeerFault where the peer ends before.
  boost::asio::awaitable<void> read_all(std::span<uint8_t> bytes);
  boost::asio::awaitable<void> write(std::span<const uint8_t> bytes) override;

 private:
  TcpConnection connection_;
  std::unique_ptr<TlsSession> session_;
  ByteStream* stream_ = &connection_;
};

}  // namespace sluice::ctrl
