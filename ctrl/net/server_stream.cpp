#include "ctrl/net/server_stream.h"

namespace sluice::ctrl {

boost::asio::awaitable<void> ServerStream::secure(std::shared_ptr<SSL_CTX> context) {
  session_ = std::make_unique<TlsSession>(connection_, *context);
  co_await session_->handshake();
  stream_ = session_.get();
}

}  // namespace sluice::ctrl
