#include "ctrl/health/check_connection.h"
#include "ctrl/health/checks.h"

namespace sluice::ctrl {

boost::asio::awaitable<std::string> check_tcp(const CheckTarget& target) {
  const auto connection = open_connection(target, CheckConnection::Kind::kStream, target.port);
  co_await connection->connect();
  co_return "connected";
}

}  // namespace sluice::ctrl
