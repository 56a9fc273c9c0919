// The listening socket of a server.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>

#include "common/result.h"

namespace sluice::ctrl {

/// Listens on `listen` ("127.0.0.1:9464", "[::1]:9464"). An Error begins with `key`, the configuration's word
/// for it: "http.listen".
Result<boost::asio::ip::tcp::acceptor> open_acceptor(boost::asio::io_context& io, const std::string& listen,
                                                     const std::string& key);

}  // namespace sluice::ctrl
