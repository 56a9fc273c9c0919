// `POST /rpc/stream`: one JSON-RPC request or batch, whose answer is a line, and behind it what its methods
// have to tell later, a line each (newline-delimited JSON): a capture's pieces, events. It ends with the last
// of them.
#pragma once

#include <boost/asio/io_context.hpp>
#include <string>

#include "ctrl/access/peer.h"
#include "ctrl/http/http_server.h"
#include "ctrl/rpc/json_rpc.h"

namespace sluice::ctrl {

/// The request is carried out on the control thread, as `control` comes to it; the answer's stream is for
/// that thread (from_afar.h). A client that goes is noticed within kBetweenBlanks.
HttpAnswer stream_answer(boost::asio::io_context& control, JsonRpc& rpc, std::string request, Peer peer,
                         std::string traceparent);

}  // namespace sluice::ctrl
