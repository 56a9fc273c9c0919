// A connection to the HTTP server, for the one coroutine that serves it. Control thread; nothing blocks.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sluice::ctrl {

class HttpConnection {
 public:
  using Clock = std::chrono::steady_clock;

  explicit HttpConnection(boost::asio::ip::tcp::socket socket);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

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

  /// Nothing more will be written.
  void finish();
  /// What is under way ends.
  void close();

 private:
  struct State;
  void expires_at(Clock::time_point deadline);

  std::shared_ptr<State> state_;
};

}  // namespace sluice::ctrl
