#include "ctrl/health/probe.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr uint32_t kMaxHeaderBytes = 16384;

asio::ip::tcp::endpoint endpoint(const IpAddress& address, uint16_t port) {
  if (address.is_v4()) return {asio::ip::address_v4(address.as_v4().host()), port};
  asio::ip::address_v6::bytes_type bytes;
  std::ranges::copy(address.bytes(), bytes.begin());
  return {asio::ip::address_v6(bytes), port};
}

std::string text_of(error_code error, const HealthCheck& check) {
  if (error == beast::error::timeout)
    return "timed out after " + std::to_string(check.timeout.count()) + " ms";
  if (error == http::error::end_of_stream || error == http::error::partial_message) {
    return "closed before it answered";
  }
  if (error.category() == make_error_code(http::error::bad_version).category()) {
    return "answer is not HTTP: " + error.message();
  }
  std::string text = error.message();  // "Connection refused"
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

std::string host_of(const asio::ip::tcp::endpoint& peer) {
  const std::string address = peer.address().to_string();
  return (peer.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(peer.port());
}

/// The status of the answer, or what went wrong.
asio::awaitable<unsigned> get_status(beast::tcp_stream& stream, const std::string& host,
                                     const std::string& path, error_code& error) {
  http::request<http::empty_body> request(http::verb::get, path, 11);
  request.set(http::field::host, host);
  request.set(http::field::user_agent, "sluice-health");
  request.set(http::field::connection, "close");
  co_await http::async_write(stream, request, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return 0;
  beast::flat_buffer buffer(kMaxHeaderBytes);
  http::response_parser<http::empty_body> parser;
  parser.header_limit(kMaxHeaderBytes);
  co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
  co_return error ? 0 : parser.get().result_int();
}

}  // namespace

asio::awaitable<ProbeResult> probe(HealthCheck check, IpAddress address, uint16_t port) {
  beast::tcp_stream stream(co_await asio::this_coro::executor);
  stream.expires_after(check.timeout);
  const auto peer = endpoint(address, check.port != 0 ? check.port : port);
  error_code error;
  co_await stream.async_connect(peer, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return ProbeResult{false, text_of(error, check)};
  if (check.type != HealthType::kHttp) {
    // A reset instead of a FIN: thousands of checks must not fill the kernel's TIME_WAIT table.
    stream.socket().set_option(asio::socket_base::linger(true, 0), error);
    co_return ProbeResult{true, "connected"};
  }
  const unsigned status = co_await get_status(stream, host_of(peer), check.path, error);
  if (error) co_return ProbeResult{false, text_of(error, check)};
  co_return ProbeResult{std::ranges::find(check.expect, status) != check.expect.end(),
                        "HTTP status " + std::to_string(status)};
}

}  // namespace sluice::ctrl
