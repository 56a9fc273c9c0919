// One request to an HTTP/1.1 server and its answer, over a connection of its own: the body is read as it
// comes, so that it may be endless. Members throw PeerFault or HostFault. One thread, one coroutine.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "ctrl/net/client_stream.h"
#include "ctrl/wire/http_response.h"

namespace sluice::ctrl {

class HttpExchange {
 public:
  /// Over a stream that is connected.
  explicit HttpExchange(std::unique_ptr<ClientStream> stream) : stream_(std::move(stream)) {}

  /// Sends a whole request and reads the header of its answer.
  boost::asio::awaitable<void> ask(std::string_view request, std::chrono::milliseconds patience);

  unsigned status() const { return response_.status(); }
  /// By its name in lower case; empty where the header has none.
  std::string_view field(std::string_view name) const { return response_.field(name); }

  /// The next bytes of the body; none: it has ended.
  boost::asio::awaitable<std::string> read_some(std::chrono::milliseconds patience);
  /// What is left of the body, which must be whole within `patience` and have at most `most` bytes.
  boost::asio::awaitable<std::string> read_rest(size_t most, std::chrono::milliseconds patience);

 private:
  boost::asio::awaitable<void> read_more();
  boost::asio::awaitable<std::string> next_piece();

  std::unique_ptr<ClientStream> stream_;
  HttpResponse response_{HttpResponse::Body::kPieces};
  bool is_done_ = false;
};

}  // namespace sluice::ctrl
