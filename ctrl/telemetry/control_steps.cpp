#include "ctrl/telemetry/control_steps.h"

#include <array>
#include <ctime>

#include "ctrl/telemetry/ledger_metrics.h"
#include "ctrl/telemetry/metric_family.h"

namespace sluice::ctrl {
namespace {

constexpr std::array<uint64_t, 9> kBounds = {100'000,    500'000,    1'000'000,   5'000'000,    10'000'000,
                                             25'000'000, 50'000'000, 250'000'000, 1'000'000'000};

uint64_t time_on_cpu() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

ControlSteps::ControlSteps() : nanoseconds_(kBounds) {}

void ControlSteps::run(boost::asio::io_context& io) {
  uint64_t before = time_on_cpu();
  while (io.run_one() > 0) {
    const uint64_t after = time_on_cpu();
    nanoseconds_.record(after - before);
    before = after;
  }
}

void ControlSteps::add_series(std::vector<MetricSource>& sources) const {
  sources.push_back(family(metric("sluice_control_step_seconds"), [this](auto& samples) {
    samples.push_back(histogram_sample(nanoseconds_.read(), kNanosecondsPerSecond));
    return false;
  }));
}

}  // namespace sluice::ctrl
