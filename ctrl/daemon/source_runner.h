// Between the sources and the gateway: has the sources follow the configuration, and hands over what they say
// in good time. Made and called on the control loop; the work is done on the thread of observations.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "ctrl/source/source_inbox.h"
#include "ctrl/source/source_set.h"
#include "ctrl/store/control_threads.h"
#include "ctrl/store/gateway.h"

namespace sluice::ctrl {

class SourceRunner {
 public:
  using Clock = std::chrono::steady_clock;
  /// Words that come within this time of each other make one publication: the first one waits for kGathering
  /// alone, the others until so much has passed since the last. What is too much for one publication goes on
  /// kGathering after it.
  static constexpr std::chrono::milliseconds kGathering{10};
  static constexpr std::chrono::milliseconds kApart{50};
  /// After so long a process that has not heard of its sources is ready all the same.
  static constexpr std::chrono::seconds kReadyPatience{30};

  /// `registered` as for SourceSet.
  SourceRunner(boost::asio::io_context& io, Gateway& gateway, ControlThreads& threads,
               LeaseTable* registered = nullptr);
  ~SourceRunner();

  /// Starts, ends and subscribes what the intent asks for.
  void follow(std::shared_ptr<const Model> model);
  /// What time does. Every now and then.
  void tick();
  /// Why the process is not ready yet; nothing: nothing to wait for. Never waits.
  std::optional<std::string> missing() const;
  /// Ends all sources. After the threads have stopped.
  void stop() { sources_.reset(); }

 private:
  void schedule(Clock::time_point earliest);
  void deliver();

  boost::asio::io_context& io_;
  Gateway& gateway_;
  ControlThreads& threads_;
  const Clock::time_point started_ = Clock::now();
  boost::asio::steady_timer timer_;
  Clock::time_point last_ = {};
  std::shared_ptr<const Model> followed_;
  std::atomic<bool> is_minding_ = false;
  std::atomic<bool> is_complete_ = true;  ///< every source has answered once
  SourceInbox inbox_;
  std::unique_ptr<SourceSet> sources_;  ///< of the thread of observations, until stop()
};

}  // namespace sluice::ctrl
