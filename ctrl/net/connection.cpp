#include "ctrl/net/connection.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;

asio::ip::address asio_address(const IpAddress& address) {
  if (address.is_v4()) return asio::ip::address_v4(address.as_v4().host());
  return asio::ip::address_v6(address.bytes());
}

/// A watch may be silent for long, and its peer may vanish without a word: the kernel asks after it.
void notice_a_dead_peer(asio::ip::tcp::socket& socket) {
  error_code ignored;
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const auto set = [&](int option, int value) {
    (void)::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
  };
  set(TCP_KEEPIDLE, 10);
  set(TCP_KEEPINTVL, 5);
  set(TCP_KEEPCNT, 3);
}

template <typename Socket>
auto closing(Socket& socket) {
  return [&socket] {
    error_code ignored;
    socket.close(ignored);
  };
}

}  // namespace

TcpConnection::TcpConnection(asio::io_context& io, StopSignal& stop)
    : socket_(io), deadline_(io, stop, closing(socket_)) {}

TcpConnection::TcpConnection(asio::io_context& io, asio::ip::tcp::socket accepted, StopSignal& stop)
    : socket_(std::move(accepted)), deadline_(io, stop, closing(socket_)) {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  notice_a_dead_peer(socket_);
}

awaitable<void> TcpConnection::connect(const IpAddress& address, uint16_t port) {
  deadline_.check();
  error_code error;
  const asio::ip::tcp::endpoint peer(asio_address(address), port);
  co_await socket_.async_connect(peer, asio::redirect_error(asio::use_awaitable, error));
  if (error) deadline_.fail(error);
  socket_.set_option(asio::ip::tcp::no_delay(true), error);
  notice_a_dead_peer(socket_);
}

awaitable<size_t> TcpConnection::read_some(std::span<uint8_t> bytes) {
  error_code error;
  const size_t got = co_await socket_.async_read_some(asio::buffer(bytes.data(), bytes.size()),
                                                      asio::redirect_error(asio::use_awaitable, error));
  if (error == asio::error::eof) co_return 0;
  if (error) deadline_.fail(error);
  co_return got;
}

awaitable<void> TcpConnection::write(std::span<const uint8_t> bytes) {
  error_code error;
  co_await asio::async_write(socket_, asio::buffer(bytes.data(), bytes.size()),
                             asio::redirect_error(asio::use_awaitable, error));
  if (error) deadline_.fail(error);
}

UdpConnection::UdpConnection(asio::io_context& io, StopSignal& stop)
    : socket_(io), deadline_(io, stop, closing(socket_)) {}

void UdpConnection::connect(const IpAddress& address, uint16_t port) {
  deadline_.check();
  error_code error;
  const asio::ip::udp::endpoint peer(asio_address(address), port);
  socket_.open(peer.protocol(), error);
  if (!error) socket_.connect(peer, error);  // from a port of the kernel's choice, another one each time
  if (error) deadline_.fail(error);
}

awaitable<void> UdpConnection::send(std::span<const uint8_t> datagram) {
  error_code error;
  co_await socket_.async_send(asio::buffer(datagram.data(), datagram.size()),
                              asio::redirect_error(asio::use_awaitable, error));
  if (error) deadline_.fail(error);
}

awaitable<size_t> UdpConnection::receive(std::span<uint8_t> datagram) {
  error_code error;
  const size_t got = co_await socket_.async_receive(asio::buffer(datagram.data(), datagram.size()),
                                                    asio::redirect_error(asio::use_awaitable, error));
  if (error) deadline_.fail(error);
  co_return got;
}

}  // namespace sluice::ctrl
