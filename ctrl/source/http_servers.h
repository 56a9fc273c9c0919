// Requests to the HTTP servers of one source. Used by the thread of the source.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "ctrl/net/http_exchange.h"
#include "ctrl/source/servers.h"

namespace sluice::ctrl {

struct HttpRequest {
  std::string method = "GET";
  std::string target = {};  ///< path and query
  std::string body = {};
  std::string secret_field = {};  ///< "X-Consul-Token"; empty: none
  std::string_view secret = {};   ///< its value
};

class HttpServers {
 public:
  HttpServers(boost::asio::io_context& io, const SourceModel& model, const UrlDefaults& defaults)
      : servers_(io, model, defaults, "http/1.1") {}

  /// Connects, sends the request and reads the header of the answer within `patience`; its status is for the
  /// caller. Throws PeerFault, which names the endpoint; the next request then goes to another one.
  boost::asio::awaitable<std::unique_ptr<HttpExchange>> ask(const HttpRequest& request,
                                                            std::chrono::milliseconds patience,
                                                            StopSignal& stop);
  /// The endpoint did not do what it should: the next request goes to another one.
  void turn_away() { servers_.turn_away(); }

 private:
  Servers servers_;
};

}  // namespace sluice::ctrl
