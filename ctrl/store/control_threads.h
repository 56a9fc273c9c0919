// Threads beside the control loop, for what takes longer than a step of the loop may. Any thread may give
// them work; what it finds is posted back to the loop by whoever wants it there.
#pragma once

#include <functional>
#include <memory>

namespace sluice::ctrl {

class ControlThreads {
 public:
  using Job = std::function<void()>;

  ControlThreads();
  ~ControlThreads();

  /// What people ask to be changed: one after another, in the order of the calls, however long reading a
  /// configuration takes.
  void change(Job job);
  /// What a change needs before, and takes long: compiling rules. One after another; nobody else waits for
  /// it.
  void prepare(Job job);
  /// Whether any of those waits or runs.
  bool is_preparing() const;
  /// What health checks found: apart from people's changes, which it must not wait for.
  void observe(Job job);
  /// Answers to write and tidying up: two at a time, so that a long one does not hold up the others.
  void answer(Job job);
  /// Waits for the jobs that run; those that wait are dropped, and so is all that comes later.
  void stop();

 private:
  struct Pools;
  std::unique_ptr<Pools> pools_;
};

}  // namespace sluice::ctrl
