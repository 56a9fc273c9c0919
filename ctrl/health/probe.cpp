#include "ctrl/health/probe.h"

#include <algorithm>
#include <array>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <utility>

#include "ctrl/health/check_socket.h"
#include "ctrl/health/checks.h"

namespace sluice::ctrl {
namespace {

struct CheckKind {
  HealthType type;
  boost::asio::awaitable<std::string> (*run)(const CheckTarget& target);
};

constexpr std::array kChecks = {
    CheckKind{HealthType::kTcp, check_tcp},   CheckKind{HealthType::kTls, check_tls},
    CheckKind{HealthType::kHttp, check_http}, CheckKind{HealthType::kHttps, check_https},
    CheckKind{HealthType::kGrpc, check_grpc}, CheckKind{HealthType::kDns, check_dns},
    CheckKind{HealthType::kUdp, check_udp},
};

}  // namespace

boost::asio::awaitable<ProbeResult> probe(HealthCheck check, IpAddress address, uint16_t port,
                                          std::shared_ptr<TlsContexts> tls) {
  const auto kind = std::ranges::find(kChecks, check.type, &CheckKind::type);
  // GCC 12 miscompiles co_await among initializers.
  const boost::asio::any_io_executor executor = co_await boost::asio::this_coro::executor;
  const CheckTarget target{check, address, check.port != 0 ? check.port : port, executor, *tls};
  ProbeResult result;
  try {
    std::string found = co_await kind->run(target);
    result = {Verdict::kPassed, std::move(found)};
  } catch (const CheckFailed& failure) {
    result = {Verdict::kFailed, failure.what()};
  } catch (const std::exception& problem) {  // CheckImpossible, or no memory
    result = {Verdict::kUnknown, problem.what()};
  }
  co_return result;
}

}  // namespace sluice::ctrl
