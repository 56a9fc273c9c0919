// Connections of this host, over TCP and over UDP, for coroutines. Every wait ends by the
// deadline that was set last, or when the task is stopped; members throw PeerFault. One thread; one coroutine
// at a time reads, and one writes.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/address.h"
#include "ctrl/net/byte_stream.h"
#include "ctrl/net/deadline.h"

namespace sluice::ctrl {

class TcpConnection : public ByteStream {
 public:
  TcpConnection(boost::asio::io_context& io, StopSignal& stop);
  /// One that has been accepted.
  TcpConnection(boost::asio::io_context& io, boost::asio::ip::tcp::socket accepted, StopSignal& stop);

  void expires_after(std::chrono::milliseconds time) { deadline_.expires_after(time); }
  boost::asio::awaitable<void> connect(const IpAddress& address, uint16_t port);
  /// 0: the peer has ended.
  boost::asio::awaitable<size_t> read_some(std::span<uint8_t> bytes) override;
  boost::asio::awaitable<void> write(std::span<const uint8_t> bytes) override;

 private:
  boost::asio::ip::tcp::socket socket_;
  Deadline deadline_;
};

class UdpConnection {
 public:
  UdpConnection(boost::asio::io_context& io, StopSignal& stop);

  void expires_after(std::chrono::milliseconds time) { deadline_.expires_after(time); }
  /// From here on datagrams of others are not received.
  void connect(const IpAddress& address, uint16_t port);
  boost::asio::awaitable<void> send(std::span<const uint8_t> datagram);
  boost::asio::awaitable<size_t> receive(std::span<uint8_t> datagram);

 private:
  boost::asio::ip::udp::socket socket_;
  Deadline deadline_;
};

}  // namespace sluice::ctrl
