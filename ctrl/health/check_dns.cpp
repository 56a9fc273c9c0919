#include <array>
#include <random>

#include "ctrl/health/check_connection.h"
#include "ctrl/health/checks.h"
#include "ctrl/wire/dns_message.h"

namespace sluice::ctrl {

boost::asio::awaitable<std::string> check_dns(const CheckTarget& target) {
  constexpr uint16_t kDnsPort = 53;
  const auto query = dns_query(static_cast<uint16_t>(std::random_device{}()), target.check.name).value();
  const auto connection =
      open_connection(target, CheckConnection::Kind::kDatagram, target.port != 0 ? target.port : kDnsPort);
  co_await connection->connect();
  co_await connection->send_datagram(query);
  std::array<uint8_t, 4096> answer;
  for (;;) {  // what answers another query is passed over
    const size_t size = co_await connection->read_some(answer);
    const auto rcode = rcode_of_answer(std::span(answer).first(size), query);
    if (!rcode) continue;
    const std::string found = "DNS answer " + name_of_rcode(*rcode);
    if (*rcode != 0) throw CheckFailed(found);
    co_return found;
  }
}

}  // namespace sluice::ctrl
