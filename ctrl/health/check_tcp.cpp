#include "ctrl/health/check_socket.h"
#include "ctrl/health/checks.h"

namespace sluice::ctrl {

boost::asio::awaitable<std::string> check_tcp(const CheckTarget& target) {
  CheckSocket socket(target.executor, target.address, target.port, CheckSocket::Kind::kStream,
                     target.check.timeout);
  co_await socket.connect();
  co_return "connected";
}

}  // namespace sluice::ctrl
