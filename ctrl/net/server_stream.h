// A connection that a server has accepted, with or without TLS, each step within the time that was set last.
// Members throw PeerFault or HostFault. One thread; one coroutine at a time reads, and one writes.
#pragma once

#include <memory>

#include "ctrl/net/connection.h"
#include "ctrl/net/tls_session.h"

namespace sluice::ctrl {

class ServerStream : public ByteStream {
 public:
  ServerStream(boost::asio::io_context& io, boost::asio::ip::tcp::socket accepted, StopSignal& stop)
      : connection_(io, std::move(accepted), stop) {}

  /// From now on; takes the place of what was said before.
  void expires_after(std::chrono::milliseconds time) { connection_.expires_after(time); }
  /// From here on all goes over TLS.
  boost::asio::awaitable<void> secure(std::shared_ptr<SSL_CTX> context);
  /// Null: without TLS.
  const TlsSession* session() const { return session_.get(); }
  boost::asio::awaitable<size_t> read_some(std::span<uint8_t> bytes) override {
    return stream_->read_some(bytes);
  }
  boost::asio::awaitable<void> write(std::span<const uint8_t> bytes) override {
    return stream_->write(bytes);
  }

 private:
  TcpConnection connection_;
  std::unique_ptr<TlsSession> session_;
  ByteStream* stream_ = &connection_;
};

}  // namespace sluice::ctrl
