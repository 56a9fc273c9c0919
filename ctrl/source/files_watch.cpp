#include "ctrl/source/files_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "ctrl/log/log_line.h"
#include "ctrl/wire/followed_file.h"

namespace sluice::ctrl {
namespace {

/// How often files are looked at of whose change no event came: a file system without events, a link further
/// up. One that is only being written to is left alone until it has been at rest for so long.
constexpr std::chrono::milliseconds kLook{500};

using Names = std::set<std::string, std::less<>>;

struct File {
  WatchedFile watched;
  FileSignature read = std::nullopt;    ///< what was read last
  FileSignature looked = std::nullopt;  ///< at the last look
  bool is_new = true;

  /// Whether events with those names may be about it: its own name, or another file's that a link leads by.
  bool is_named(const Names& names, const FileSignature& now) const {
    if (names.empty()) return false;
    return names.contains(std::string_view(watched.path).substr(watched.path.rfind('/') + 1)) ||
           !is_same_file(now, read);
  }
};

}  // namespace

class FilesWatch::Thread {
 public:
  Thread(Read read, IsSame is_same)
      : read_(std::move(read)),
        is_same_(is_same),
        notify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (notify_ < 0) log_warning({"files are looked at by time alone: ", std::strerror(errno)});
    thread_ = std::thread([this] { run(); });
  }
  ~Thread() {
    is_stopping_ = true;
    wake();
    thread_.join();
    if (notify_ >= 0) ::close(notify_);
    ::close(wake_);
  }

  void follow(std::vector<WatchedFile> files) {
    const std::lock_guard lock(mutex_);
    wanted_ = std::move(files);
    wake();
  }

 private:
  void wake() {
    const uint64_t one = 1;
    static_cast<void>(!::write(wake_, &one, sizeof one));
  }

  void run() {
    using Clock = std::chrono::steady_clock;
    auto next_look = Clock::now() + kLook;
    while (!is_stopping_) {
      std::array<pollfd, 2> ready{{{wake_, POLLIN, 0}, {notify_, POLLIN, 0}}};
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_look - Clock::now()).count();
      ::poll(ready.data(), ready.size(), files_.empty() ? -1 : static_cast<int>(std::max<long>(left, 0)));
      uint64_t woken = 0;
      static_cast<void>(!::read(wake_, &woken, sizeof woken));
      if (is_stopping_) return;
      take_wanted();
      const Names names = take_events();
      const bool is_look = Clock::now() >= next_look;
      if (is_look) next_look = Clock::now() + kLook;
      read_changed(names, is_look);
    }
  }

  /// What is the same as before keeps what is known of its file.
  void take_wanted() {
    std::optional<std::vector<WatchedFile>> wanted;
    {
      const std::lock_guard lock(mutex_);
      wanted = std::exchange(wanted_, std::nullopt);
    }
    if (wanted) {
      std::map<std::string, File> files;
      for (WatchedFile& file : *wanted) {
        const auto known = files_.find(file.name);
        const bool is_same = known != files_.end() && is_same_(known->second.watched.of.get(), file.of.get());
        const std::string name = file.name;
        files.emplace(name, is_same ? known->second : File{std::move(file)});
      }
      files_ = std::move(files);
    }
    watch_directories();
  }

  /// One that is not there is tried again later. A watch that there is already stays the same.
  void watch_directories() {
    if (notify_ < 0) return;
    constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
    std::set<std::string> directories;
    for (const auto& [name, file] : files_) directories.insert(directory_of(file.watched.path));
    for (const std::string& directory : directories) {
      static_cast<void>(::inotify_add_watch(notify_, directory.c_str(), kEvents));
    }
  }

  Names take_events() {
    Names names;
    alignas(inotify_event) std::array<char, 16384> events;
    for (ssize_t count = 0; notify_ >= 0 && (count = ::read(notify_, events.data(), events.size())) > 0;) {
      for (size_t place = 0; place < static_cast<size_t>(count);) {
        const auto* const event = reinterpret_cast<const inotify_event*>(events.data() + place);
        if (event->len > 0) names.emplace(event->name);
        place += sizeof(inotify_event) + event->len;
      }
    }
    return names;
  }

  void read_changed(const Names& names, bool is_look) {
    std::vector<WatchedFile> changed;
    for (auto& [name, file] : files_) {
      const FileSignature now = look_at_file(file.watched.path);
      const bool is_at_rest = is_look && now == file.looked;
      if (is_look) file.looked = now;
      const bool is_due = now != file.read && (is_at_rest || file.is_named(names, now));
      if (!is_due && !file.is_new) continue;
      file.is_new = false;
      file.read = now;
      changed.push_back(file.watched);
    }
    if (!changed.empty()) read_(changed);
  }

  const Read read_;
  const IsSame is_same_;
  const int notify_;
  const int wake_;
  std::atomic<bool> is_stopping_ = false;
  std::mutex mutex_;                                ///< of the next one
  std::optional<std::vector<WatchedFile>> wanted_;  ///< nothing: the same as before
  std::map<std::string, File> files_;               ///< by name; the thread's own
  std::thread thread_;
};

FilesWatch::FilesWatch(Read read, IsSame is_same)
    : thread_(std::make_unique<Thread>(std::move(read), is_same)) {}
FilesWatch::~FilesWatch() = default;

void FilesWatch::follow(std::vector<WatchedFile> files) {
  thread_->follow(std::move(files));
}

}  // namespace sluice::ctrl
