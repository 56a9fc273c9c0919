#include "ctrl/http/http_connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace sluice::ctrl {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

struct HttpConnection::State {
  explicit State(Tcp::socket accepted) : socket(std::move(accepted)), timer(socket.get_executor()) {}
  void close() {
    error_code ignored;
    socket.close(ignored);
  }
  Tcp::socket socket;
  asio::steady_timer timer;
  bool is_too_late = false;
};

HttpConnection::HttpConnection(Tcp::socket socket) : state_(std::make_shared<State>(std::move(socket))) {}

HttpConnection::~HttpConnection() {
  state_->timer.cancel();
  close();
}

void HttpConnection::expires_at(Clock::time_point deadline) {
  state_->timer.expires_at(deadline);
  state_->timer.async_wait([state = state_](const error_code& error) {
    // One that was renewed just as it ended is not over.
    if (error || state->timer.expiry() > Clock::now()) return;
    state->is_too_late = true;
    state->close();
  });
}

awaitable<HttpConnection::Got> HttpConnection::read_some(std::string& text, size_t most,
                                                         Clock::time_point deadline) {
  const size_t before = text.size();
  text.resize(before + most);
  expires_at(deadline);
  error_code error;
  const size_t bytes = co_await state_->socket.async_read_some(
      asio::buffer(text.data() + before, most), asio::redirect_error(asio::use_awaitable, error));
  state_->timer.expires_at(Clock::time_point::max());
  text.resize(before + (error ? 0 : bytes));
  if (!error) co_return Got::kBytes;
  co_return state_->is_too_late ? Got::kTooLate : Got::kEnd;
}

awaitable<bool> HttpConnection::write(std::string_view first, std::string_view second,
                                      Clock::duration patience) {
  error_code error;
  while (!error && first.size() + second.size() > 0) {
    expires_at(Clock::now() + patience);
    const std::array<asio::const_buffer, 2> left = {asio::buffer(first.data(), first.size()),
                                                    asio::buffer(second.data(), second.size())};
    const size_t bytes =
        co_await state_->socket.async_write_some(left, asio::redirect_error(asio::use_awaitable, error));
    const size_t of_first = std::min(bytes, first.size());
    first.remove_prefix(of_first);
    second.remove_prefix(bytes - of_first);
  }
  state_->timer.expires_at(Clock::time_point::max());
  co_return !error;
}

void HttpConnection::finish() {
  error_code ignored;
  state_->socket.shutdown(Tcp::socket::shutdown_send, ignored);
}

void HttpConnection::close() {
  state_->close();
}

}  // namespace sluice::ctrl
