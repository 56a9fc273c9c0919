#include "ctrl/log/log.h"

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "ctrl/log/log_line.h"
#include "ctrl/log/log_writer.h"

namespace sluice::ctrl {
namespace {

constexpr auto kTimeText = "%Y-%m-%dT%H:%M:%S.%eZ";

void append(spdlog::memory_buf_t& out, std::string_view text) {
  out.append(text.data(), text.data() + text.size());
}

bool lines_are_json = false;
/// Of the line that this thread logs: further JSON members, each after a comma. The sink formats at once, on
/// the thread that logs.
thread_local std::string members;

/// `%*`: the message as a JSON string, and `members`.
class JsonMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const nlohmann::json text = std::string(message.payload.data(), message.payload.size());
    append(out, text.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    append(out, members);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JsonMessage>(); }
};

/// `%!`: the message without control characters, which whoever names something could have put into it: a line
/// stays one line, and a terminal takes no commands.
class PlainMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (const char byte : std::string_view(message.payload.data(), message.payload.size())) {
      const auto value = static_cast<unsigned char>(byte);
      if (value >= 0x20 && value != 0x7f) {
        out.push_back(byte);
        continue;
      }
      append(out, "\\x");
      out.push_back(kDigits[value >> 4]);
      out.push_back(kDigits[value & 0xf]);
    }
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<PlainMessage>(); }
};

/// `%&`: syslog's number of the level.
class Priority : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    // trace, debug, info, warn, err, critical
    constexpr std::array<char, 6> kPriorities = {'7', '7', '6', '4', '3', '2'};
    const auto level = static_cast<size_t>(message.level);
    out.push_back('<');
    out.push_back(level < kPriorities.size() ? kPriorities[level] : '6');
    out.push_back('>');
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Priority>(); }
};

std::string pattern(const LogModel& log, bool to_journal) {
  const std::string priority = to_journal ? "%&" : "";
  if (log.format == "json") {
    return priority + R"({"time":")" + kTimeText + R"(","level":"%l","message":%*})";
  }
  return to_journal ? "%&%!" : std::string(kTimeText) + " %l: %!";
}

std::string formatted(spdlog::formatter& formatter, const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t buffer;
  formatter.format(message, buffer);
  return {buffer.data(), buffer.size()};
}

/// Hands formatted lines to a LogWriter.
class QueueSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit QueueSink(std::shared_ptr<LogWriter> writer) : writer_(std::move(writer)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    writer_->write(formatted(*formatter_, message));
  }
  void flush_() override {}

 private:
  std::shared_ptr<LogWriter> writer_;
};

/// Of the whole process, since stderr is; null before the first open_log().
std::shared_ptr<LogWriter>& writer() {
  static std::shared_ptr<LogWriter> one;
  return one;
}

/// A descriptor of the log's own for what stderr is now: what stands for stderr for a while, as when EAL
/// starts, gets none of its lines. The same number at each call.
int own_stderr() {
  static const int own = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (own < 0) return STDERR_FILENO;
  ::dup3(STDERR_FILENO, own, O_CLOEXEC);
  return own;
}

/// Says in the log's own format that lines are missing here.
LogWriter::DescribeLoss loss_line(std::shared_ptr<spdlog::formatter> formatter) {
  return [formatter](uint64_t lost) {
    const std::string text = std::to_string(lost) + " log lines before this one were lost: stderr took none";
    return formatted(*formatter, {"sluice", spdlog::level::warn, text});
  };
}

}  // namespace

void open_log(const LogModel& log, bool to_journal) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<JsonMessage>('*').add_flag<Priority>('&').add_flag<PlainMessage>('!').set_pattern(
      pattern(log, to_journal));
  const int descriptor = own_stderr();
  if (!writer()) writer() = std::make_shared<LogWriter>(descriptor);
  writer()->describe_loss_by(loss_line(formatter->clone()));
  auto sink = std::make_shared<QueueSink>(writer());
  sink->set_formatter(std::move(formatter));
  auto logger = std::make_shared<spdlog::logger>("sluice", std::move(sink));
  lines_are_json = log.format == "json";
  logger->set_level(spdlog::level::from_str(log.level));
  spdlog::set_default_logger(std::move(logger));
}

void flush_log() {
  if (writer()) writer()->flush(LogWriter::kPatienceAtEnd);
}

uint64_t log_lines_lost() {
  return writer() ? writer()->lost() : 0;
}

void print_to_log(const std::string& line) {
  if (writer()) return writer()->write(line + "\n");
  std::fprintf(stderr, "%s\n", line.c_str());
}

bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat found;
  if (stream == nullptr || ::fstat(STDERR_FILENO, &found) != 0) return false;
  return std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino) == stream;
}

void log_with_field(dataplane::LogLevel level, std::string_view message, std::string_view name,
                    const nlohmann::json& value) {
  const std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (!lines_are_json) return log_line(level, {message, ": ", name, "=", text});
  members = "," + nlohmann::json(name).dump() + ":" + text;
  log_line(level, {message});
  members.clear();
}

void log_data_plane(dataplane::LogLevel level, std::string_view line) {
  log_line(level, {line});
}

}  // namespace sluice::ctrl
