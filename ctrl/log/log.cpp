#include "ctrl/log/log.h"

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "ctrl/log/journal.h"
#include "ctrl/log/log_component.h"
#include "ctrl/log/log_from.h"
#include "ctrl/log/log_levels.h"
#include "ctrl/log/log_writer.h"
#include "ctrl/log/repeat_filter.h"

namespace sluice::ctrl {
namespace {

using spdlog::details::log_msg;

constexpr auto kTimeText = "%Y-%m-%dT%H:%M:%S.%eZ";
constexpr int kTagOfLevel = 256;  ///< a tag is a level, this many times, and a component

void append(spdlog::memory_buf_t& out, std::string_view text) {
  out.append(text.data(), text.data() + text.size());
}

LogComponent component_of(const log_msg& message) {
  const char* file = message.source.filename;
  return file == nullptr ? LogComponent::kDaemon : log_component_of(file);
}

std::string_view component_name_of(const log_msg& message) {
  return kLogComponents[static_cast<size_t>(component_of(message))];
}

/// syslog's number of the level.
char priority_of(const log_msg& message) {
  // trace, debug, info, warn, err, critical
  constexpr std::array<char, 6> kPriorities = {'7', '7', '6', '4', '3', '2'};
  const auto level = static_cast<size_t>(message.level);
  return level < kPriorities.size() ? kPriorities[level] : '6';
}

/// What log_with_field() says besides the message.
struct Field {
  std::string_view name;
  std::string value;  ///< JSON
};

std::atomic<bool> shows_fields = false;  ///< lines are JSON, or go to the journal
std::atomic<bool> is_journal = false;
/// Of the line that this thread logs, if any. The sink formats at once, on the thread that logs.
thread_local const Field* field = nullptr;

/// `%*`: the message as a JSON string, and the field as a further member.
class JsonMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const nlohmann::json text = std::string(message.payload.data(), message.payload.size());
    append(out, text.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    if (field != nullptr) append(out, "," + nlohmann::json(field->name).dump() + ":" + field->value);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JsonMessage>(); }
};

/// `%!`: the message without control characters, which whoever names something could have put into it: a line
/// stays one line, and a terminal takes no commands.
class PlainMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
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
  void format(const log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    append(out, {"<"});
    out.push_back(priority_of(message));
    append(out, {">"});
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Priority>(); }
};

/// `%~`: the component.
class Component : public spdlog::custom_flag_formatter {
 public:
  void format(const log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    append(out, component_name_of(message));
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Component>(); }
};

std::string pattern(const LogModel& log, LogTarget target) {
  const std::string priority = target == LogTarget::kPrefixed ? "%&" : "";
  if (log.format == "json") {
    return priority + R"({"time":")" + kTimeText + R"(","level":"%l","component":"%~","message":%*})";
  }
  return target == LogTarget::kStderr ? std::string(kTimeText) + " %l: %!" : priority + "%!";
}

std::string formatted(spdlog::formatter& formatter, const log_msg& message) {
  spdlog::memory_buf_t buffer;
  formatter.format(message, buffer);
  return {buffer.data(), buffer.size()};
}

/// The bytes that a writer puts out for a line.
std::string encoded(LogTarget target, spdlog::formatter& formatter, const log_msg& message) {
  std::string text = formatted(formatter, message);
  if (target != LogTarget::kJournal) return text;
  text.pop_back();  // the line end
  JournalFields fields = {{"MESSAGE", std::move(text)},
                          {"PRIORITY", std::string(1, priority_of(message))},
                          {"SYSLOG_IDENTIFIER", "sluiced"},
                          {"SLUICE_COMPONENT", std::string(component_name_of(message))}};
  if (message.source.filename != nullptr && message.source.line > 0) {
    fields.emplace_back("CODE_FILE", message.source.filename);
    fields.emplace_back("CODE_LINE", std::to_string(message.source.line));
  }
  if (field != nullptr) fields.emplace_back("SLUICE_" + journal_field_name(field->name), field->value);
  return journal_entry(fields);
}

/// Of the whole process: what came again and again.
struct Repeats {
  std::mutex mutex;
  RepeatFilter filter;
};

Repeats& repeats() {
  static Repeats one;
  return one;
}

/// The level and the component of a line in a number, and back.
int tag_of(const log_msg& message) {
  return static_cast<int>(message.level) * kTagOfLevel + static_cast<int>(component_of(message));
}

/// Hands lines to a LogWriter, but for repeats.
class QueueSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit QueueSink(std::shared_ptr<LogWriter> writer) : writer_(std::move(writer)) {}

  /// How lines are written from now on. While others log.
  void write_as(LogTarget target, std::unique_ptr<spdlog::formatter> formatter) {
    const std::lock_guard lock(mutex_);
    target_ = target;
    formatter_ = std::move(formatter);
  }

 protected:
  void sink_it_(const log_msg& message) override {
    if (field == nullptr && is_repeat(message)) return;
    writer_->write(encoded(target_, *formatter_, message));
  }
  void flush_() override {}

 private:
  static bool is_repeat(const log_msg& message) {
    const std::lock_guard lock(repeats().mutex);
    return !repeats().filter.take({message.payload.data(), message.payload.size()}, tag_of(message),
                                  RepeatFilter::Time::clock::now());
  }

  LogTarget target_ = LogTarget::kStderr;
  std::shared_ptr<LogWriter> writer_;
};

/// The one logger of the process, which log_line() uses without holding it: it stays until the end.
struct Logger {
  std::shared_ptr<QueueSink> sink;
  std::shared_ptr<spdlog::logger> logger;
};

Logger make_logger(std::shared_ptr<LogWriter> writer) {
  auto sink = std::make_shared<QueueSink>(std::move(writer));
  auto logger = std::make_shared<spdlog::logger>("sluice", sink);
  logger->set_level(spdlog::level::trace);  // log_line() asks log_takes()
  return {std::move(sink), std::move(logger)};
}

/// Of the whole process, since stderr and the journal are; null before the first open_log().
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

std::shared_ptr<LogWriter> make_writer(LogTarget target, int descriptor) {
  if (target != LogTarget::kJournal) return std::make_shared<LogWriter>(descriptor);
  auto journal = std::make_shared<const JournalSocket>();
  return std::make_shared<LogWriter>([journal](std::string_view entry) { return journal->send(entry); });
}

/// Says in the log's own format that lines are missing here.
LogWriter::DescribeLoss loss_line(LogTarget target, std::shared_ptr<spdlog::formatter> formatter) {
  return [target, formatter](uint64_t lost) {
    const std::string text = std::to_string(lost) + " log lines before this one were lost: " +
                             (target == LogTarget::kJournal ? "journald" : "stderr") + " took none";
    return encoded(target, *formatter, {"sluice", spdlog::level::warn, text});
  };
}

bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat found;
  if (stream == nullptr || ::fstat(STDERR_FILENO, &found) != 0) return false;
  return std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino) == stream;
}

}  // namespace

void settle_log(bool all) {
  std::vector<RepeatFilter::Repeated> over;
  {
    const std::lock_guard lock(repeats().mutex);
    over = repeats().filter.settle(RepeatFilter::Time::clock::now(), all);
  }
  for (const auto& line : over) {
    const auto component = static_cast<LogComponent>(line.tag % kTagOfLevel);
    const auto level = static_cast<spdlog::level::level_enum>(line.tag / kTagOfLevel);
    const std::string text =
        std::to_string(line.left_out) + " more lines like this one were left out: " + line.text;
    spdlog::default_logger_raw()->log(spdlog::source_loc{log_source_for(component), 0, ""}, level, text);
  }
}

LogTarget log_target() {
  if (!stderr_is_journal()) return LogTarget::kStderr;
  return JournalSocket().is_there() ? LogTarget::kJournal : LogTarget::kPrefixed;
}

void open_log(const LogModel& log, LogTarget target) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<JsonMessage>('*')
      .add_flag<Priority>('&')
      .add_flag<Component>('~')
      .add_flag<PlainMessage>('!');
  formatter->set_pattern(pattern(log, target));
  const int descriptor = own_stderr();
  if (!writer()) writer() = make_writer(target, descriptor);
  writer()->describe_loss_by(loss_line(target, formatter->clone()));
  static const Logger one = make_logger(writer());
  one.sink->write_as(target, std::move(formatter));
  shows_fields = log.format == "json" || target == LogTarget::kJournal;
  is_journal = target == LogTarget::kJournal;
  set_log_levels(log);
  // Only at the start: to replace a logger is to free it, and other threads may be logging.
  if (spdlog::default_logger_raw() != one.logger.get()) spdlog::set_default_logger(one.logger);
}

void flush_log() {
  if (!writer()) return;
  settle_log(true);
  writer()->flush(LogWriter::kPatienceAtEnd);
}

uint64_t log_lines_lost() {
  return writer() ? writer()->lost() : 0;
}

uint64_t log_lines_left_out() {
  const std::lock_guard lock(repeats().mutex);
  return repeats().filter.left_out();
}

void print_to_log(const std::string& line) {
  if (!writer()) {
    std::fprintf(stderr, "%s\n", line.c_str());
  } else if (is_journal) {
    writer()->write(journal_entry({{"MESSAGE", line}, {"PRIORITY", "3"}, {"SYSLOG_IDENTIFIER", "sluiced"}}));
  } else {
    writer()->write(line + "\n");
  }
}

void log_with_field(dataplane::LogLevel level, std::string_view message, std::string_view name,
                    const nlohmann::json& value, SourceLocation where) {
  const Field shown{name, value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)};
  if (!shows_fields) return log_line(level, {message, ": ", name, "=", shown.value}, where);
  field = &shown;
  log_line(level, {message}, where);
  field = nullptr;
}

void log_data_plane(dataplane::LogLevel level, std::string_view line) {
  if (log_takes(LogComponent::kDataplane, level))
    log_from(log_source_for(LogComponent::kDataplane), 0, level, line);
}

}  // namespace sluice::ctrl
