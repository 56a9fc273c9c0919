// GET /events: the events of the hub as server-sent events (WHATWG HTML, 9.2), for every server that has
// them: http.listen and remote.listen. Control thread; nothing blocks.
#pragma once

#include <string_view>

#include "ctrl/http/http_server.h"
#include "ctrl/store/event_hub.h"

namespace sluice::ctrl {

/// The answer to GET /events?kinds=KIND,KIND (all kinds without a query): its `stream` gives each event as
/// `event: KIND`, `data: OBJECT`, and a comment now and then, so that a reader that is gone is noticed. It
/// ends where the reader has not kept up. Status 400: there is no such kind; 503: too many read already.
HttpAnswer events_answer(EventHub& hub, boost::asio::io_context& io, std::string_view query);

}  // namespace sluice::ctrl
