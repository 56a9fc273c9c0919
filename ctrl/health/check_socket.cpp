#include "ctrl/health/check_socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "ctrl/health/local_network.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

/// Errors that only this host can cause, whenever they come.
bool is_of_this_host(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
    case EADDRINUSE:
    case EACCES:
    case EPERM:
    case EAFNOSUPPORT:
    case ENETDOWN:
    case ENODEV:
      return true;
    default:
      return false;
  }
}

/// What connect(2) may say of the peer at once: over loopback the answer is there before it returns. All
/// else that it says at once, no route above all, is said of this host.
bool is_of_the_peer(int error) {
  return error == ECONNREFUSED || error == ECONNRESET || error == ETIMEDOUT;
}

}  // namespace

struct CheckSocket::State {
  explicit State(const asio::any_io_executor& executor) : descriptor(executor), timer(executor) {}
  asio::posix::stream_descriptor descriptor;
  asio::steady_timer timer;
  bool over = false;
  Clock::duration late{};
};

CheckSocket::CheckSocket(const asio::any_io_executor& executor, const IpAddress& address, uint16_t port,
                         Kind kind, std::chrono::milliseconds timeout)
    : address_(address), port_(port), timeout_(timeout), state_(std::make_shared<State>(executor)) {
  const int type = kind == Kind::kStream ? SOCK_STREAM : SOCK_DGRAM;
  const int descriptor =
      ::socket(address.is_v4() ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) throw CheckImpossible(text_of_error(errno));
  if (kind == Kind::kStream) {
    // A reset instead of a FIN: thousands of checks must not fill the kernel's TIME_WAIT table.
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    (void)::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  error_code error;
  state_->descriptor.assign(descriptor, error);
  if (error) {
    ::close(descriptor);
    throw CheckImpossible(text_of_error(error.value()));
  }
  start_deadline(timeout);
}

CheckSocket::~CheckSocket() {
  state_->timer.cancel();
  error_code ignored;
  state_->descriptor.close(ignored);
}

void CheckSocket::start_deadline(std::chrono::milliseconds timeout) {
  state_->timer.expires_after(timeout);
  state_->timer.async_wait([state = state_](error_code error) {
    if (error) return;
    state->over = true;
    state->late = Clock::now() - state->timer.expiry();
    error_code ignored;
    state->descriptor.cancel(ignored);
  });
}

int CheckSocket::descriptor() const {
  return state_->descriptor.native_handle();
}

awaitable<void> CheckSocket::connect() {
  const SocketAddress peer(address_, port_);
  int result = ::connect(descriptor(), peer.get(), peer.size());
  if (result == 0) co_return;
  if (errno != EINPROGRESS) {
    if (is_of_the_peer(errno)) throw CheckFailed(text_of_error(errno));
    throw CheckImpossible(text_of_error(errno));
  }
  co_await wait(Wait::wait_write);
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(descriptor(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) fail(error);
}

awaitable<void> CheckSocket::wait(Wait direction) {
  if (state_->over) time_out();
  error_code error;
  co_await state_->descriptor.async_wait(direction, asio::redirect_error(asio::use_awaitable, error));
  if (!error) co_return;
  if (state_->over) time_out();
  throw CheckImpossible(text_of_error(error.value()));
}

awaitable<size_t> CheckSocket::read_some(std::span<uint8_t> bytes) {
  for (;;) {
    co_await wait(Wait::wait_read);
    const ssize_t got = ::recv(descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got >= 0) co_return static_cast<size_t>(got);
    if (errno != EAGAIN && errno != EINTR) fail(errno);
  }
}

awaitable<void> CheckSocket::write(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(sent));
    } else if (errno != EAGAIN && errno != EINTR) {
      fail(errno);
    } else {
      co_await wait(Wait::wait_write);
    }
  }
}

awaitable<void> CheckSocket::send_datagram(std::span<const uint8_t> bytes) {
  while (::send(descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT) < 0) {
    if (errno != EAGAIN && errno != EINTR) fail(errno);
    co_await wait(Wait::wait_write);
  }
}

void CheckSocket::fail(int error) const {
  if (is_of_this_host(error)) throw CheckImpossible(text_of_error(error));
  // "No route to host" is also what a neighbor that answers no ARP comes to: that is the backend's.
  if (error == ENETUNREACH || error == EHOSTUNREACH) {
    if (const auto problem = local_problem(address_, port_)) throw CheckImpossible(*problem);
  }
  throw CheckFailed(text_of_error(error));
}

void CheckSocket::time_out() const {
  end_timed_out(timeout_, state_->late, local_problem(address_, port_));
}

}  // namespace sluice::ctrl
