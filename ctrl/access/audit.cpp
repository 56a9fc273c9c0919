#include "ctrl/access/audit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>

#include "ctrl/log/log.h"
#include "ctrl/log/log_line.h"
#include "ctrl/log/log_writer.h"
#include "ctrl/log/time_text.h"
#include "ctrl/net/faults.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

json text_or_null(const std::string& text) {
  return text.empty() ? json(nullptr) : json(text);
}

json number_or_null(const std::optional<uint64_t>& number) {
  return number ? json(*number) : json(nullptr);
}

json object_of(const AuditEntry& entry) {
  return {{"time", time_text(std::chrono::system_clock::now())},
          {"who",
           {{"subject", text_or_null(entry.peer.subject)},
            {"issuer", text_or_null(entry.peer.issuer)},
            {"peer", place_of(entry.peer)}}},
          {"method", entry.method},
          {"object", text_or_null(entry.object)},
          {"before", text_or_null(entry.before)},
          {"after", text_or_null(entry.after)},
          {"generation",
           {{"before", number_or_null(entry.generation_before)},
            {"after", number_or_null(entry.generation_after)}}},
          {"result", entry.result}};
}

std::string ascii_line(const json& object) {
  return object.dump(-1, ' ', true, json::error_handler_t::replace);
}

/// The file as it is now; the writer's thread alone.
class Appender {
 public:
  explicit Appender(std::string path) : path_(std::move(path)) {}
  ~Appender() { close(); }
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  /// 0, or what went wrong.
  int open() {
    if (descriptor_ >= 0 && is_where_it_was()) return 0;
    close();
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    return descriptor_ >= 0 ? 0 : errno;
  }

  /// Says what fails once, and that it is over.
  bool append(std::string_view line) {
    int error = open();
    if (error == 0) error = write_whole(line);
    if (error != 0 && !is_failing_) {
      log_error({"audit.file: cannot write ", path_, ": ", text_of_error(error),
                 "; the log alone has what follows"});
    } else if (error == 0 && is_failing_) {
      log_warning({"audit.file: ", path_, " takes lines again"});
    }
    is_failing_ = error != 0;
    return !is_failing_;
  }

 private:
  bool is_where_it_was() const {
    struct stat own {
    }, named{};
    return ::fstat(descriptor_, &own) == 0 && ::stat(path_.c_str(), &named) == 0 &&
           own.st_dev == named.st_dev && own.st_ino == named.st_ino;
  }

  /// All of it or nothing: half a line would spoil the next.
  int write_whole(std::string_view text) {
    struct stat before {};
    if (::fstat(descriptor_, &before) != 0) return errno;
    for (std::string_view left = text; !left.empty();) {
      const ssize_t written = ::write(descriptor_, left.data(), left.size());
      if (written >= 0) {
        left.remove_prefix(static_cast<size_t>(written));
      } else if (errno != EINTR) {
        const int error = errno;
        if (S_ISREG(before.st_mode)) (void)!::ftruncate(descriptor_, before.st_size);
        return error;
      }
    }
    return 0;
  }

  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

  std::string path_;
  int descriptor_ = -1;
  bool is_failing_ = false;
};

}  // namespace

struct Audit::File {
  explicit File(std::shared_ptr<Appender> appender)
      : writer([appender = std::move(appender)](std::string_view line) { return appender->append(line); }) {
    writer.describe_loss_by([](uint64_t lost) {
      return ascii_line({{"time", time_text(std::chrono::system_clock::now())}, {"lost", lost}}) + "\n";
    });
  }
  LogWriter writer;
};

Audit::Audit() = default;
Audit::~Audit() = default;

Result<std::unique_ptr<Audit>> Audit::open(const AuditModel& model) {
  std::unique_ptr<Audit> audit(new Audit());
  if (model.file.empty()) return audit;
  auto appender = std::make_shared<Appender>(model.file);
  if (const int error = appender->open(); error != 0) {
    return fail("audit.file: cannot open " + model.file + ": " + text_of_error(error), "/audit/file");
  }
  audit->file_ = std::make_shared<File>(std::move(appender));
  return audit;
}

void Audit::record(const AuditEntry& entry, std::string_view words) {
  const json object = object_of(entry);
  if (file_) file_->writer.write(ascii_line(object) + "\n");
  log_with_field(entry.result == "ok" ? LogLevel::kInfo : LogLevel::kWarning, words, "audit", object);
}

void Audit::reopen() {
  if (file_) file_->writer.write("");
}

uint64_t Audit::lost() const {
  return file_ ? file_->writer.lost() : 0;
}

std::string audit_line(const AuditEntry& entry) {
  return ascii_line(object_of(entry));
}

}  // namespace sluice::ctrl
