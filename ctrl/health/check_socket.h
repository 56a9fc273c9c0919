// A check's connection by a socket of the kernel's. Control loop; one coroutine at a time.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

#include "common/address.h"
#include "ctrl/health/check_connection.h"

namespace sluice::ctrl {

class CheckSocket : public CheckConnection {
 public:
  /// The time runs from here on.
  CheckSocket(const boost::asio::any_io_executor& executor, const IpAddress& address, uint16_t port,
              Kind kind, std::chrono::milliseconds timeout);
  ~CheckSocket() override;
  CheckSocket(const CheckSocket&) = delete;
  CheckSocket& operator=(const CheckSocket&) = delete;

  boost::asio::awaitable<void> connect() override;
  /// Waits first, so that a peer that sends without end cannot hold the loop. 0: the peer has ended.
  boost::asio::awaitable<size_t> read_some(std::span<uint8_t> bytes) override;
  boost::asio::awaitable<void> write(std::span<const uint8_t> bytes) override;
  boost::asio::awaitable<void> send_datagram(std::span<const uint8_t> bytes) override;

 private:
  struct State;
  using Wait = boost::asio::posix::stream_descriptor::wait_type;
  boost::asio::awaitable<void> wait(Wait direction);
  int descriptor() const;
  /// Ends the check for an error that the kernel gave for the connected socket.
  [[noreturn]] void fail(int error) const;
  [[noreturn]] void time_out() const;
  void start_deadline(std::chrono::milliseconds timeout);

  IpAddress address_;
  uint16_t port_;
  std::chrono::milliseconds timeout_;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::ctrl
