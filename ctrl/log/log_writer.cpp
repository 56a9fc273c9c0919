#include "ctrl/log/log_writer.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace sluice::ctrl {
namespace {

/// False: the descriptor takes nothing any more.
bool write_whole(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {  // somebody who shares the pipe made it non-blocking
      pollfd waiting{descriptor, POLLOUT, 0};
      ::poll(&waiting, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

struct LogWriter::State {
  Write write = {};
  std::mutex mutex = {};
  DescribeLoss describe_loss = {};
  std::condition_variable queued = {};   ///< there is a line, or the end has come
  std::condition_variable written = {};  ///< the queue is empty and nothing is being written
  std::deque<std::string> lines = {};
  size_t bytes = 0;
  uint64_t lost = 0;
  uint64_t lost_and_said = 0;
  bool is_writing = false;
  bool ends = false;
  std::thread thread = {};

  bool is_idle() const { return lines.empty() && !is_writing; }

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      queued.wait(lock, [this] { return ends || !lines.empty(); });
      if (lines.empty()) return;
      const std::string line = std::exchange(lines.front(), {});
      lines.pop_front();
      bytes -= line.size();
      const uint64_t lost_before = std::exchange(lost_and_said, lost);
      const uint64_t lost_now = lost - lost_before;
      const DescribeLoss describe = lost_now > 0 ? describe_loss : nullptr;
      is_writing = true;
      lock.unlock();
      bool is_out = !describe || write(describe(lost_now));
      is_out = is_out && write(line);
      lock.lock();
      is_writing = false;
      if (!is_out) ++lost;
      if (lines.empty()) written.notify_all();
    }
  }
};

LogWriter::LogWriter(int descriptor)
    : LogWriter([descriptor](std::string_view line) { return write_whole(descriptor, line); }) {}

LogWriter::LogWriter(Write write) : state_(std::make_shared<State>()) {
  state_->write = std::move(write);
  // Signals are for the control thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  state_->thread = std::thread([state = state_] { state->run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LogWriter::~LogWriter() {
  flush(kPatienceAtEnd);
  bool is_out = false;
  {
    const std::lock_guard lock(state_->mutex);
    state_->ends = true;
    is_out = state_->is_idle();
  }
  state_->queued.notify_all();
  is_out ? state_->thread.join() : state_->thread.detach();
}

void LogWriter::describe_loss_by(DescribeLoss describe) {
  const std::lock_guard lock(state_->mutex);
  state_->describe_loss = std::move(describe);
}

void LogWriter::write(std::string line) {
  State& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    state.bytes += line.size();
    state.lines.push_back(std::move(line));
    while (state.lines.size() > kMostLines || (state.bytes > kMostBytes && state.lines.size() > 1)) {
      state.bytes -= state.lines.front().size();
      state.lines.pop_front();
      ++state.lost;
    }
  }
  state.queued.notify_one();
}

bool LogWriter::flush(std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  return state_->written.wait_for(lock, patience, [this] { return state_->is_idle(); });
}

uint64_t LogWriter::lost() const {
  const std::lock_guard lock(state_->mutex);
  return state_->lost;
}

}  // namespace sluice::ctrl
