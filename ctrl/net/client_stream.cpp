#include "ctrl/net/client_stream.h"

namespace sluice::ctrl {

using boost::asio::awaitable;

awaitable<void> ClientStream::secure(SSL_CTX& context, const TlsPeer& peer, std::string_view protocol) {
  session_ = std::make_unique<TlsSession>(connection_, context, peer);
  if (!protocol.empty()) session_->offer_protocol(protocol);
  co_await session_->handshake();
  stream_ = session_.get();
}

awaitable<size_t> ClientStream::read_some(std::span<uint8_t> bytes) {
  return stream_->read_some(bytes);
}

awaitable<void> ClientStream::read_all(std::span<uint8_t> bytes) {
  while (!bytes.empty()) {
    const size_t got = co_await stream_->read_some(bytes);
    if (got == 0) throw PeerFault("the connection was closed");
    bytes = bytes.subspan(got);
  }
}

awaitable<void> ClientStream::write(std::span<const uint8_t> bytes) {
  return stream_->write(bytes);
}

}  // namespace sluice::ctrl
