#include "ctrl/health/probe.h"

#include <algorithm>
#include <array>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <utility>
#include <vector>

#include "ctrl/health/check_socket.h"
#include "ctrl/health/checks.h"
#include "ctrl/health/service_connection.h"

namespace sluice::ctrl {
namespace {

using boost::asio::awaitable;

struct CheckKind {
  HealthType type;
  awaitable<std::string> (*run)(const CheckTarget& target);
};

constexpr std::array kChecks = {
    CheckKind{HealthType::kTcp, check_tcp},   CheckKind{HealthType::kTls, check_tls},
    CheckKind{HealthType::kHttp, check_http}, CheckKind{HealthType::kHttps, check_https},
    CheckKind{HealthType::kGrpc, check_grpc}, CheckKind{HealthType::kDns, check_dns},
    CheckKind{HealthType::kUdp, check_udp},
};

awaitable<std::string> run(const CheckTarget& target) {
  const auto kind = std::ranges::find(kChecks, target.check.type, &CheckKind::type);
  std::string found = co_await kind->run(target);
  co_return found;
}

/// Through one service. What fails there is said with its name.
awaitable<std::string> run_through(const ServiceRoute& route, CheckTarget target) {
  target.address = route.address;
  target.port = route.port;
  target.route = &route;
  const std::string where = "through service " + route.service + ": ";
  std::string found;
  try {
    found = co_await run(target);
  } catch (const CheckFailed& failure) {
    throw CheckFailed(where + failure.what());
  } catch (const CheckImpossible& problem) {
    throw CheckImpossible(where + problem.what());
  }
  co_return where + found;
}

/// Through each service of the backend's pool in turn: who fails one has failed.
awaitable<std::string> run_through_all(const std::vector<ServiceRoute>& routes, const CheckTarget& target) {
  std::string found;
  for (const ServiceRoute& route : routes) {
    if (lb::is_nat(route.mode)) {
      found = co_await run(target);
    } else {
      found = co_await run_through(route, target);
    }
  }
  co_return found;
}

}  // namespace

std::unique_ptr<CheckConnection> open_connection(const CheckTarget& target, CheckConnection::Kind kind,
                                                 uint16_t port) {
  if (port == 0) throw CheckImpossible("there is no port to check");
  if (target.route == nullptr) {
    return std::make_unique<CheckSocket>(target.executor, target.address, port, kind, target.check.timeout);
  }
  ServiceRoute route = *target.route;
  route.port = port;
  return std::make_unique<ServiceConnection>(target.executor, target.packets, std::move(route), kind,
                                             target.check.timeout);
}

awaitable<ProbeResult> probe(HealthCheck check, BackendKey backend, CheckMeans means) {
  // GCC 12 miscompiles co_await among initializers.
  const boost::asio::any_io_executor executor = co_await boost::asio::this_coro::executor;
  CheckTarget target{check, backend.address, check.port != 0 ? check.port : backend.port, executor,
                     *means.tls};
  ProbeResult result;
  try {
    std::vector<ServiceRoute> routes;
    if (check.via_service && means.routes) {
      routes = means.routes->to(backend);
      target.packets = means.routes->packets();
    }
    std::string found;
    if (routes.empty()) {
      found = co_await run(target);
    } else {
      found = co_await run_through_all(routes, target);
    }
    result = {Verdict::kPassed, std::move(found)};
  } catch (const CheckFailed& failure) {
    result = {Verdict::kFailed, failure.what()};
  } catch (const std::exception& problem) {  // CheckImpossible, or no memory
    result = {Verdict::kUnknown, problem.what()};
  }
  co_return result;
}

}  // namespace sluice::ctrl
