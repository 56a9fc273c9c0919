// One connection to the HTTP server: its handshake, who asks, and requests with a body. The thread of the
// server.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ctrl/http/http_connection.h"
#include "ctrl/http/http_gate.h"
#include "ctrl/http/http_server.h"
#include "ctrl/wire/http_message.h"

namespace sluice::ctrl {

/// A connection as the others see it, while its coroutine lasts.
struct HttpConversation {
  HttpConnection connection;
  std::unique_ptr<HttpVisit> visit = nullptr;  ///< null: everybody is let in
  bool is_known = true;                        ///< has been let in
  bool waits_for_request = true;
  bool is_stream = false;  ///< gets an answer without an end
  bool is_last = false;    ///< ends with the answer that is under way
  std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();  ///< of what it does now
};

/// The handshake, where there is a gate. False: it has failed.
boost::asio::awaitable<bool> arrive(HttpConversation& conversation, HttpGate& gate, const HttpLimits& limits);

/// What is answered to a request instead of what it asks for; nothing: it is `peer`'s, and may be answered.
std::optional<HttpAnswer> refusal_of(HttpConversation& conversation, const RequestHead& request,
                                     std::string_view path, Peer& peer);

/// Reads the body of a request and has it answered. `unread` is what has come behind its head. Nothing: the
/// peer is gone, or too slow.
boost::asio::awaitable<std::optional<HttpAnswer>> take_post(HttpConversation& conversation,
                                                            std::string& unread, RequestHead& request,
                                                            HttpPost& post, const HttpLimits& limits);

}  // namespace sluice::ctrl
