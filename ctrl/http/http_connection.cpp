#include "ctrl/http/http_connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

#include "ctrl/net/byte_stream.h"
#include "ctrl/net/faults.h"
#include "ctrl/net/tls_session.h"

namespace sluice::ctrl {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

namespace {

constexpr size_t kRecord = 16384;                     // of TLS: what is written at a time
constexpr size_t kMostThrownAway = size_t{16} << 20;  // a token of 10 MB, say
constexpr std::chrono::seconds kParting{2};

}  // namespace

/// TLS reads and writes its records here.
struct HttpConnection::Records : ByteStream {
  explicit Records(Tcp::socket& socket) : socket(socket) {}
  awaitable<size_t> read_some(std::span<uint8_t> bytes) override {
    error_code error;
    const size_t got = co_await socket.async_read_some(asio::buffer(bytes.data(), bytes.size()),
                                                       asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::eof) co_return 0;
    if (error) throw PeerFault(error.message());
    co_return got;
  }
  awaitable<void> write(std::span<const uint8_t> bytes) override {
    error_code error;
    while (!error && !bytes.empty()) {
      const size_t written = co_await socket.async_write_some(
          asio::buffer(bytes.data(), bytes.size()), asio::redirect_error(asio::use_awaitable, error));
      bytes = bytes.subspan(written);
    }
    if (error) throw PeerFault(error.message());
  }
  Tcp::socket& socket;
};

struct HttpConnection::State {
  explicit State(Tcp::socket accepted)
      : socket(std::move(accepted)), timer(socket.get_executor()), records(socket) {}
  void close() {
    error_code ignored;
    socket.close(ignored);
  }
  Tcp::socket socket;
  asio::steady_timer timer;
  Records records;
  std::unique_ptr<TlsSession> session;
  bool is_too_late = false;
};

HttpConnection::HttpConnection(Tcp::socket socket) : state_(std::make_shared<State>(std::move(socket))) {
  error_code ignored;  // a head would wait for the acknowledgement of what went before
  state_->socket.set_option(Tcp::no_delay(true), ignored);
}

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

std::string HttpConnection::address() const {
  error_code error;
  const Tcp::endpoint peer = state_->socket.remote_endpoint(error);
  if (error) return "";
  std::string host = peer.address().to_string();
  if (peer.address().is_v6()) host = "[" + host + "]";
  return host + ":" + std::to_string(peer.port());
}

awaitable<HttpConnection::Secured> HttpConnection::secure(std::shared_ptr<SSL_CTX> context,
                                                          Clock::time_point deadline) {
  expires_at(deadline);
  Secured secured = Secured::kYes;
  try {
    state_->session = std::make_unique<TlsSession>(state_->records, *context);
    co_await state_->session->handshake();
  } catch (const std::runtime_error&) {
    secured = state_->is_too_late ? Secured::kTooLate : Secured::kNo;
  }
  state_->timer.expires_at(Clock::time_point::max());
  co_return secured;
}

const TlsSession* HttpConnection::session() const {
  return state_->session.get();
}

awaitable<size_t> HttpConnection::read_bytes(std::span<char> into, error_code& error) {
  if (!state_->session) {
    const size_t bytes = co_await state_->socket.async_read_some(
        asio::buffer(into.data(), into.size()), asio::redirect_error(asio::use_awaitable, error));
    co_return bytes;
  }
  try {
    const size_t bytes =
        co_await state_->session->read_some({reinterpret_cast<uint8_t*>(into.data()), into.size()});
    if (bytes == 0) error = asio::error::eof;
    co_return bytes;
  } catch (const std::runtime_error&) {
    error = asio::error::connection_reset;
  }
  co_return 0;
}

awaitable<size_t> HttpConnection::write_bytes(std::string_view first, std::string_view second,
                                              error_code& error) {
  if (!state_->session) {
    const std::array<asio::const_buffer, 2> left = {asio::buffer(first.data(), first.size()),
                                                    asio::buffer(second.data(), second.size())};
    const size_t bytes =
        co_await state_->socket.async_write_some(left, asio::redirect_error(asio::use_awaitable, error));
    co_return bytes;
  }
  std::string record(first.substr(0, kRecord));  // a head and a short body go as one
  record += second.substr(0, kRecord - record.size());
  try {
    co_await state_->session->write(bytes_of(record));
  } catch (const std::runtime_error&) {
    error = asio::error::connection_reset;
  }
  co_return record.size();
}

awaitable<HttpConnection::Got> HttpConnection::read_some(std::string& text, size_t most,
                                                         Clock::time_point deadline) {
  const size_t before = text.size();
  text.resize(before + most);
  expires_at(deadline);
  error_code error;
  const size_t bytes = co_await read_bytes(std::span(text).subspan(before), error);
  state_->timer.expires_at(Clock::time_point::max());
  text.resize(before + (error ? 0 : bytes));
  if (!error) co_return Got::kBytes;
  co_return state_->is_too_late ? Got::kTooLate : Got::kEnd;
}

awaitable<bool> HttpConnection::write(std::string_view first, std::string_view second,
                                      Clock::duration patience) {
  bool goes_on = true;
  while (goes_on && first.size() + second.size() > 0) {
    goes_on = co_await write_some(first, second, Clock::now() + patience);
  }
  co_return goes_on;
}

awaitable<bool> HttpConnection::write_by(std::string_view first, std::string_view second,
                                         Clock::time_point deadline) {
  bool goes_on = true;
  while (goes_on && first.size() + second.size() > 0) goes_on = co_await write_some(first, second, deadline);
  co_return goes_on;
}

/// Takes what was written off the front.
awaitable<bool> HttpConnection::write_some(std::string_view& first, std::string_view& second,
                                           Clock::time_point deadline) {
  error_code error;
  expires_at(deadline);
  const size_t bytes = co_await write_bytes(first, second, error);
  const size_t of_first = std::min(bytes, first.size());
  first.remove_prefix(of_first);
  second.remove_prefix(bytes - of_first);
  state_->timer.expires_at(Clock::time_point::max());
  co_return !error;
}

awaitable<void> HttpConnection::finish() {
  expires_at(Clock::now() + kParting);
  error_code error;
  try {
    if (state_->session) co_await state_->session->close();
  } catch (const std::runtime_error&) {
    co_return;
  }
  state_->socket.shutdown(Tcp::socket::shutdown_send, error);
  std::array<char, kRecord> unread;
  for (size_t thrown_away = 0; !error && thrown_away < kMostThrownAway;) {
    const size_t bytes = co_await state_->socket.async_read_some(
        asio::buffer(unread), asio::redirect_error(asio::use_awaitable, error));
    thrown_away += bytes;
  }
  state_->timer.expires_at(Clock::time_point::max());
}

void HttpConnection::close() {
  state_->close();
}

}  // namespace sluice::ctrl
