#include "ctrl/net/acceptor.h"

#include <charconv>
#include <system_error>

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using boost::system::error_code;

Result<Tcp::endpoint> endpoint_of(const std::string& listen, const std::string& key) {
  const size_t colon = listen.rfind(':');
  unsigned port = 0;
  const char* end = listen.data() + listen.size();
  if (colon != std::string::npos) {
    std::string host = listen.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    error_code error;
    const auto address = asio::ip::make_address(host, error);
    const auto [rest, fault] = std::from_chars(listen.data() + colon + 1, end, port);
    if (!error && fault == std::errc() && rest == end && port <= 65535) {
      return Tcp::endpoint(address, static_cast<uint16_t>(port));
    }
  }
  return fail(key + ": \"" + listen + "\" is not ADDRESS:PORT");
}

}  // namespace

Result<Tcp::acceptor> open_acceptor(asio::io_context& io, const std::string& listen, const std::string& key) {
  const auto endpoint = endpoint_of(listen, key);
  if (!endpoint) return tl::unexpected(endpoint.error());
  error_code error;
  Tcp::acceptor acceptor(io);
  acceptor.open(endpoint->protocol(), error);
  if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(*endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail(key + ": cannot listen on " + listen + ": " + error.message());
  return acceptor;
}

}  // namespace sluice::ctrl
