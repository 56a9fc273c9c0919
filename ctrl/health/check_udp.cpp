#include <vector>

#include "ctrl/health/check_connection.h"
#include "ctrl/health/checks.h"
#include "ctrl/wire/check_payload.h"

namespace sluice::ctrl {

boost::asio::awaitable<std::string> check_udp(const CheckTarget& target) {
  const std::string request = payload_bytes(target.check.send).value();
  const std::string expected = payload_bytes(target.check.expect_text).value();
  const auto connection = open_connection(target, CheckConnection::Kind::kDatagram, target.port);
  co_await connection->connect();
  co_await connection->send_datagram(bytes_of(request));
  std::vector<uint8_t> answer(65536);
  const size_t size = co_await connection->read_some(answer);
  if (text_of(std::span(answer).first(size)).find(expected) == std::string_view::npos) {
    throw CheckFailed("another answer than expected");
  }
  co_return "answered";
}

}  // namespace sluice::ctrl
