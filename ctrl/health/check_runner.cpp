#include "ctrl/health/check_runner.h"

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <random>
#include <utility>

#include "ctrl/net/spawn.h"

namespace sluice::ctrl {
namespace {

boost::asio::awaitable<void> keep_probe_result(boost::asio::awaitable<ProbeResult> probe,
                                               std::shared_ptr<ProbeResult> result) {
  *result = co_await std::move(probe);
}

class MachineCheckRunner final : public CheckRunner {
 public:
  MachineCheckRunner(boost::asio::io_context& io, std::shared_ptr<ServiceRoutes> routes)
      : io_(io), alarms_{boost::asio::steady_timer(io), boost::asio::steady_timer(io)} {
    means_.routes = std::move(routes);
  }

  Clock::time_point now() const override { return Clock::now(); }

  void set_alarm(Alarm alarm, Clock::time_point then, std::function<void()> ring) override {
    auto& timer = alarms_[static_cast<size_t>(alarm)];
    timer.expires_at(then);
    timer.async_wait([ring = std::move(ring)](boost::system::error_code error) {
      if (!error) ring();
    });
  }

  void start(const HealthCheck& check, const BackendKey& backend, Done done) override {
    auto result = std::make_shared<ProbeResult>();
    spawn(io_.get_executor(), keep_probe_result(probe(check, backend, means_), result),
          [result, done = std::move(done)](std::exception_ptr failure) {
            if (failure) *result = {Verdict::kUnknown, "the check itself failed"};
            done(std::move(*result));
          });
  }

  void stop() override {
    for (auto& timer : alarms_) timer.cancel();
    if (means_.routes) means_.routes->stop();
  }

  uint32_t seed() override { return std::random_device{}(); }

 private:
  boost::asio::io_context& io_;
  std::array<boost::asio::steady_timer, 2> alarms_;
  CheckMeans means_;
};

}  // namespace

std::unique_ptr<CheckRunner> run_checks_by(boost::asio::io_context& io,
                                           std::shared_ptr<ServiceRoutes> routes) {
  return std::make_unique<MachineCheckRunner>(io, std::move(routes));
}

}  // namespace sluice::ctrl
