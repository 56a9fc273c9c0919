// Log lines on their way to a descriptor, or journald: a bounded queue and a thread that writes. Whoever logs
// never waits for the reader of the log, which may be slow, stuck or gone. Any thread may call.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace sluice::ctrl {

class LogWriter {
 public:
  static constexpr size_t kMostLines = 8192;
  static constexpr size_t kMostBytes = size_t{4} << 20;
  /// How long the end waits for lines that nobody reads.
  static constexpr std::chrono::milliseconds kPatienceAtEnd{1000};

  /// A whole line that says how many were lost.
  using DescribeLoss = std::function<std::string(uint64_t lost)>;

  /// Called on the writing thread with a whole line; false: it was not taken.
  using Write = std::function<bool(std::string_view line)>;

  explicit LogWriter(Write write);
  /// Borrows `descriptor`.
  explicit LogWriter(int descriptor);
  /// Waits for what is queued, at most kPatienceAtEnd. A thread that is stuck in write(2) is left to the end
  /// of the process, with all that it uses.
  ~LogWriter();

  /// What says from now on how many lines were lost; called on the writing thread.
  void describe_loss_by(DescribeLoss describe);
  /// Queues a whole line. Where the queue is full the oldest line gives way and is counted.
  void write(std::string line);
  /// False: time was up before all that was queued had been written.
  bool flush(std::chrono::milliseconds patience);
  /// Lines that gave way or that the descriptor did not take.
  uint64_t lost() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< shared with the thread
};

}  // namespace sluice::ctrl
