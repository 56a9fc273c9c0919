// A connection to the HTTP server, for the one coroutine that serves it. Control thread; nothing blocks.
#pragma once

#include <openssl/ssl.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sluice::ctrl {

class TlsSession;

class HttpConnection {
 public:
  using Clock = std::chrono::steady_clock;

  explicit HttpConnection(boost::asio::ip::tcp::socket socket);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  /// The peer's, with its port: "192.0.2.1:50000", "[2001:db8::1]:50000".
  std::string address() const;

  enum class Secured : uint8_t {
    kYes,  ///< from here on all goes over TLS
    kNo,
    kTooLate,
  };
  /// The handshake as a server, if it is over before `deadline`.
  boost::asio::awaitable<Secured> secure(std::shared_ptr<SSL_CTX> context, Clock::time_point deadline);
  /// Null: not secured.
  const TlsSession* session() const;

  enum class Got : uint8_t {
    kBytes,
    kEnd,  ///< there will be no more, for whatever reason but the next
    kTooLate,
  };
  /// Appends what comes next to `text`, at most so many bytes, if it comes before `deadline`.
  boost::asio::awaitable<Got> read_some(std::string& text, size_t most, Clock::time_point deadline);
  /// Writes one after the other; the peer has `patience` for each bit that it takes. False: it has not, or is
  /// gone. Both must live until then.
  boost::asio::awaitable<bool> write(std::string_view first, std::string_view second,
                                     Clock::duration patience);
  /// The same, with so long for all of it.
  boost::asio::awaitable<bool> write_by(std::string_view first, std::string_view second,
                                        Clock::time_point deadline);

  /// Nothing more will be written. What the peer still sends is thrown away, for a moment and up to a bound:
  /// to end the connection at once would take back from the peer what it has not read yet.
  boost::asio::awaitable<void> finish();
  /// What is under way ends.
  void close();

 private:
  struct Records;
  struct State;
  boost::asio::awaitable<size_t> read_bytes(std::span<char> into, boost::system::error_code& error);
  /// Some of both.
  boost::asio::awaitable<size_t> write_bytes(std::string_view first, std::string_view second,
                                             boost::system::error_code& error);
  void expires_at(Clock::time_point deadline);
  boost::asio::awaitable<bool> write_some(std::string_view& first, std::string_view& second,
                                          Clock::time_point deadline);

  std::shared_ptr<State> state_;
};

}  // namespace sluice::ctrl
