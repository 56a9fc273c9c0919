// The socket of one health check: every wait ends by the check's deadline, and what the backend did wrong is
// told from what this host could not do. Control loop; one coroutine at a time.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>

#include "common/address.h"
#include "ctrl/health/byte_stream.h"

namespace sluice::ctrl {

/// The backend failed the check; what() says how, for people.
class CheckFailed : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The check could not be made by this host, so nothing is known of the backend; what() says why.
class CheckImpossible : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// All members but descriptor() throw CheckFailed or CheckImpossible.
class CheckSocket : public ByteStream {
 public:
  enum class Kind : uint8_t { kStream, kDatagram };
  using Wait = boost::asio::posix::stream_descriptor::wait_type;

  /// The time runs from here on.
  CheckSocket(const boost::asio::any_io_executor& executor, const IpAddress& address, uint16_t port,
              Kind kind, std::chrono::milliseconds timeout);
  ~CheckSocket() override;
  CheckSocket(const CheckSocket&) = delete;
  CheckSocket& operator=(const CheckSocket&) = delete;

  boost::asio::awaitable<void> connect();
  /// Waits first, so that a peer that sends without end cannot hold the loop. 0: the peer has ended.
  boost::asio::awaitable<size_t> read_some(std::span<uint8_t> bytes) override;
  boost::asio::awaitable<void> write(std::span<const uint8_t> bytes) override;
  /// One datagram, which may be empty.
  boost::asio::awaitable<void> send_datagram(std::span<const uint8_t> bytes);
  boost::asio::awaitable<void> wait(Wait direction);

  /// For OpenSSL; non-blocking.
  int descriptor() const;
  /// Ends the check for an error that the kernel gave for the connected socket.
  [[noreturn]] void fail(int error) const;

 private:
  struct State;
  [[noreturn]] void time_out() const;
  void start_deadline(std::chrono::milliseconds timeout);

  IpAddress address_;
  uint16_t port_;
  std::chrono::milliseconds timeout_;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::ctrl
