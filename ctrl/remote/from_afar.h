// Answers that are made on the control thread, for the thread of remote control.
#pragma once

#include <boost/asio/io_context.hpp>

#include "ctrl/http/http_server.h"

namespace sluice::ctrl {

/// The same, but that its stream is asked for each of its pieces where it belongs, and ends there too.
HttpAnswer from_afar(HttpAnswer answer, boost::asio::io_context& control);

}  // namespace sluice::ctrl
