// How long the steps of the control loop take. What the loop does in one step, all who are connected wait
// for.
#pragma once

#include <boost/asio/io_context.hpp>
#include <vector>

#include "common/histogram.h"
#include "ctrl/telemetry/metrics_text.h"

namespace sluice::ctrl {

/// Counts the time that the thread is on its CPU, so that neither waiting for events nor other processes
/// count. The control thread runs it; any thread reads.
class ControlSteps {
 public:
  ControlSteps();
  /// Runs `io` until it is stopped or has nothing left to do.
  void run(boost::asio::io_context& io);
  /// `sluice_control_step_seconds`. This outlives the sources.
  void add_series(std::vector<MetricSource>& sources) const;

 private:
  Histogram nanoseconds_;
};

}  // namespace sluice::ctrl
