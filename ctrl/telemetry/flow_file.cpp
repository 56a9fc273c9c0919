#include "ctrl/telemetry/flow_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "ctrl/log/log_line.h"
#include "ctrl/net/faults.h"
#include "ctrl/wire/flow_json.h"

namespace sluice::ctrl {
namespace {

constexpr std::string_view kActiveLineEnd = "\"active\"}";

/// How many of some whole lines tell of flows that have ended.
uint64_t ended_in(std::string_view lines) {
  uint64_t ended = 0;
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    if (!lines.substr(begin, end - begin).ends_with(kActiveLineEnd)) ++ended;
    begin = end + 1;
  }
  return ended;
}

}  // namespace

FlowFile::~FlowFile() {
  close();
}

void FlowFile::take(const NamedFlow& flow) {
  add_flow_line(lines_, flow);
  if (flow.record.end != lb::FlowEnd::kActive) ++counted_;
  if (lines_.size() >= kMostWaiting) write();
}

void FlowFile::pause() {
  if (is_to_reopen_.load(std::memory_order_relaxed) || !lines_.empty()) write();
}

void FlowFile::finish(std::chrono::milliseconds) {
  pause();
  close();
}

/// Writes what waits. What the file does not take is gone: whoever reads it is to find whole lines alone.
void FlowFile::write() {
  if (is_to_reopen_.exchange(false, std::memory_order_relaxed)) close();
  size_t written = 0;
  int error = open();
  if (error == 0) error = write_lines(written);
  const uint64_t told =
      written == lines_.size() ? counted_ : ended_in(std::string_view(lines_).substr(0, written));
  tally_.count_told(told);
  tally_.count_lost(counted_ - told);
  lines_.clear();
  counted_ = 0;
  note(error);
}

/// 0, or what went wrong.
int FlowFile::open() {
  if (descriptor_ >= 0 && is_where_it_was()) return 0;
  close();
  // A pipe that nobody reads is no place to wait at.
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  descriptor_ = ::open(path_.c_str(), kFlags, 0640);
  return descriptor_ >= 0 ? 0 : errno;
}

bool FlowFile::is_where_it_was() const {
  struct stat own {
  }, named{};
  return ::fstat(descriptor_, &own) == 0 && ::stat(path_.c_str(), &named) == 0 &&
         own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

/// 0, or what went wrong. `written`: the bytes of the whole lines that the file has then.
int FlowFile::write_lines(size_t& written) {
  struct stat before {};
  if (::fstat(descriptor_, &before) != 0) return errno;
  int error = 0;
  while (written < lines_.size() && error == 0) {
    const ssize_t count = ::write(descriptor_, lines_.data() + written, lines_.size() - written);
    if (count >= 0) {
      written += static_cast<size_t>(count);
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (error == 0) return 0;
  const size_t line_end = written == 0 ? std::string::npos : lines_.rfind('\n', written - 1);
  written = line_end == std::string::npos ? 0 : line_end + 1;
  // Half a line would spoil the next.
  if (S_ISREG(before.st_mode)) (void)!::ftruncate(descriptor_, before.st_size + static_cast<off_t>(written));
  return error;
}

/// Says what fails once, and that it is over.
void FlowFile::note(int error) {
  if (error != 0 && !is_failing_) {
    log_error(
        {"flow_log: cannot write ", path_, ": ", text_of_error(error), "; records are lost, and counted"});
  } else if (error == 0 && is_failing_) {
    log_warning({"flow_log: ", path_, " takes records again"});
  }
  is_failing_ = error != 0;
}

void FlowFile::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

}  // namespace sluice::ctrl
