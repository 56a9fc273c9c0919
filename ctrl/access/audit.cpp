#include "ctrl/access/audit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/descriptor.h"
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

tl::unexpected<Error> cannot_open(const std::string& file, int error) {
  return fail("audit.file: cannot open " + file + ": " + text_of_error(error), "/audit/file");
}

/// The file as it is now; the writer's thread alone.
class Appender {
 public:
  explicit Appender(std::string path) : path_(std::move(path)) {}

  /// 0, or what went wrong.
  int open() {
    if (descriptor_.is_open() && is_where_it_was()) return 0;
    descriptor_ = Descriptor();
    descriptor_ =
        Descriptor(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600));
    return descriptor_.is_open() ? 0 : errno;
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
    return ::fstat(descriptor_.number(), &own) == 0 && ::stat(path_.c_str(), &named) == 0 &&
           own.st_dev == named.st_dev && own.st_ino == named.st_ino;
  }

  /// All of it or nothing: half a line would spoil the next.
  int write_whole(std::string_view text) {
    struct stat before {};
    if (::fstat(descriptor_.number(), &before) != 0) return errno;
    const int error = write_all(descriptor_.number(), text);
    if (error != 0 && S_ISREG(before.st_mode)) (void)!::ftruncate(descriptor_.number(), before.st_size);
    return error;
  }

  std::string path_;
  Descriptor descriptor_;
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
  if (auto followed = audit->follow(model); !followed) return tl::unexpected(followed.error());
  return audit;
}

Result<void> Audit::check(const AuditModel& model) {
  if (model.file.empty()) return {};
  const std::string folder = std::filesystem::path(model.file).parent_path();
  struct stat found {};
  const bool is_there = ::stat(model.file.c_str(), &found) == 0;
  if (is_there && S_ISDIR(found.st_mode)) return cannot_open(model.file, EISDIR);
  const int denied = is_there ? ::access(model.file.c_str(), W_OK) : ::access(folder.c_str(), W_OK | X_OK);
  if (denied != 0) return cannot_open(model.file, errno);
  return {};
}

Result<void> Audit::follow(const AuditModel& model) {
  std::shared_ptr<File> next;
  if (!model.file.empty()) {
    auto appender = std::make_shared<Appender>(model.file);
    if (const int error = appender->open(); error != 0) return cannot_open(model.file, error);
    next = std::make_shared<File>(std::move(appender));
  }
  const std::lock_guard lock(mutex_);
  if (file_) lost_before_ += file_->writer.lost();
  file_.swap(next);
  return {};
}

std::shared_ptr<Audit::File> Audit::file() const {
  const std::lock_guard lock(mutex_);
  return file_;
}

void Audit::record(const AuditEntry& entry, std::string_view words) {
  const json object = object_of(entry);
  if (const auto to = file()) to->writer.write(ascii_line(object) + "\n");
  log_with_field(entry.result == "ok" ? LogLevel::kInfo : LogLevel::kWarning, words, "audit", object);
}

void Audit::reopen() {
  if (const auto to = file()) to->writer.write("");
}

uint64_t Audit::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_before_ + (file_ ? file_->writer.lost() : 0);
}

std::string audit_line(const AuditEntry& entry) {
  return ascii_line(object_of(entry));
}

}  // namespace sluice::ctrl
