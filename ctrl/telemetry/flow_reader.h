// The thread that reads records of flows from the workers' lanes, gives them names and the time, and hands
// them to those whom they are for. Made, followed and ended by the control thread.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ctrl/store/gateway.h"
#include "ctrl/wire/named_flow.h"
#include "dataplane/tables/flow_lanes.h"

namespace sluice::ctrl {

class FlowRecordReader {
 public:
  /// Borrows `gateway`.
  explicit FlowRecordReader(const Gateway& gateway) : gateway_(gateway) {}
  ~FlowRecordReader();
  FlowRecordReader(const FlowRecordReader&) = delete;
  FlowRecordReader& operator=(const FlowRecordReader&) = delete;

  /// Starts the thread, if it does not run: once there are records, whoever they are for. Numbers of services
  /// and backends wait for it.
  void start();
  /// Who is told of what is for `reader` from now on; null: nobody. Whoever was before it is finished. What
  /// comes while there is nobody is counted as lost.
  void listen(lb::FlowReader reader, std::shared_ptr<FlowListener> listener);
  /// Reads what there is once the workers have stopped, finishes the listeners and ends. Idempotent.
  void stop();

 private:
  using Listeners = std::array<std::shared_ptr<FlowListener>, lb::kFlowReaders>;

  void run();
  void follow_wanted(Listeners& used);
  size_t read_some(dataplane::FlowLanes& lanes, const Listeners& to);
  size_t read_lane(dataplane::FlowLanes& lanes, lb::FlowLane& lane, const Listeners& to);
  void hand_out(dataplane::FlowLanes& lanes, const lb::FlowRecord& record, uint64_t ahead_ns,
                const Listeners& to);
  void learn_names(lb::ServiceId service, lb::BackendId backend);

  const Gateway& gateway_;
  std::mutex mutex_;  ///< of the next three
  std::condition_variable news_;
  Listeners wanted_;
  bool ends_ = false;
  std::vector<std::optional<std::string>> services_;  ///< names by number; the thread's, as the next two
  std::vector<std::optional<BackendKey>> backends_;
  uint64_t names_version_ = 0;
  std::thread thread_;
};

}  // namespace sluice::ctrl
