// Sends spans to a receiver of OTLP over HTTP, in batches, on a thread of its own: a receiver that is away,
// slow or talks nonsense costs spans, counted, and holds nobody up.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "ctrl/intent/tracing_model.h"
#include "ctrl/store/span_queue.h"

namespace sluice::ctrl {

struct Model;

struct TraceTiming {
  std::chrono::milliseconds gathering{200};    ///< for more spans to come, before a batch goes
  std::chrono::milliseconds patience{10'000};  ///< with a receiver, for each step of a request
  std::chrono::milliseconds first_pause{500};  ///< before a batch goes once more; twice as long each time
  std::chrono::milliseconds longest_pause{30'000};
  std::chrono::milliseconds giving_up{60'000};  ///< after so long a batch has failed
  std::chrono::milliseconds leaving{2'000};     ///< for what waits, once nobody wants spans any more
};

class TraceExporter {
 public:
  static constexpr size_t kMostAtOnce = 512;  ///< spans of one request

  /// Borrows `spans`. `version`: of this program.
  TraceExporter(SpanQueue& spans, std::string version, TraceTiming timing = {});
  /// Ends at once; what waits is dropped.
  ~TraceExporter();
  TraceExporter(const TraceExporter&) = delete;
  TraceExporter& operator=(const TraceExporter&) = delete;

  /// Exports to where a configuration says, from the next batch on. Control thread; never waits.
  void follow(const Model& model);
  void follow(const std::optional<TracingModel>& tracing, const std::string& gateway);
  /// Sends what waits, for at most so long, and ends. The control thread, which waits.
  void stop(std::chrono::milliseconds most);

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::optional<TracingModel> followed_;
};

}  // namespace sluice::ctrl
