// Writes records of flows to a file, a line of JSON each. What the file does not take is lost and counted,
// and said once. For the thread that reads records, but for reopen().
#pragma once

#include <atomic>
#include <string>

#include "ctrl/telemetry/flow_tally.h"
#include "ctrl/wire/named_flow.h"

namespace sluice::ctrl {

class FlowFile : public FlowListener {
 public:
  FlowFile(std::string path, FlowTally tally) : path_(std::move(path)), tally_(std::move(tally)) {}
  ~FlowFile() override;
  FlowFile(const FlowFile&) = delete;
  FlowFile& operator=(const FlowFile&) = delete;

  void take(const NamedFlow& flow) override;
  void pause() override;
  void finish(std::chrono::milliseconds patience) override;
  /// Has the file opened anew before the next line. Where it was moved, that happens by itself. Any thread.
  void reopen() { is_to_reopen_.store(true, std::memory_order_relaxed); }

 private:
  static constexpr size_t kMostWaiting = size_t{256} << 10;  ///< bytes, before they are written

  void write();
  int open();
  bool is_where_it_was() const;
  int write_lines(size_t& written);
  void note(int error);
  void close();

  const std::string path_;
  FlowTally tally_;
  std::string lines_;     ///< that wait, whole ones
  uint64_t counted_ = 0;  ///< of those, of flows that have ended
  int descriptor_ = -1;
  bool is_failing_ = false;
  std::atomic<bool> is_to_reopen_ = false;
};

}  // namespace sluice::ctrl
