#include "ctrl/source/file_source.h"

#include <sys/inotify.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ctrl/log/log_line.h"
#include "ctrl/source/file_sd.h"
#include "ctrl/wire/followed_file.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr size_t kLargestFile = size_t{32} << 20;
constexpr std::chrono::seconds kPoll{1};

/// In how many entries two sets differ.
size_t difference(std::vector<Instance> a, std::vector<Instance> b) {
  const auto key = [](const Instance& one) { return std::tie(one.address, one.name, one.port, one.weight); };
  const auto by_key = [&](const Instance& one, const Instance& other) { return key(one) < key(other); };
  std::ranges::sort(a, by_key);
  std::ranges::sort(b, by_key);
  std::vector<Instance> different;
  std::ranges::set_symmetric_difference(a, b, std::back_inserter(different), by_key);
  return different.size();
}

class FileSource : public Source {
 public:
  FileSource(const SourceModel& model, SourceContext context)
      : Source(context), resync_(model.resync), notify_(context.io), timer_(context.io) {
    const int number = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (number < 0) {
      log_warning({"files of source ", model.name, " are looked at every second: ", std::strerror(errno)});
    } else {
      notify_.assign(number);
    }
  }

  void subscribe(SubscriptionId id, const DiscoverModel& wanted) override {
    if (!std::exchange(is_running_, true)) start();
    const auto entry = files_.emplace(id, File{wanted.path}).first;
    watch();
    read(entry->first, entry->second, false);
  }
  void unsubscribe(SubscriptionId id) override { files_.erase(id); }

 private:
  struct File {
    std::string path;
    FileSignature read = std::nullopt;    ///< what was read last
    FileSignature looked = std::nullopt;  ///< at the last poll
    std::chrono::steady_clock::time_point read_at = {};
    std::optional<std::vector<Instance>> delivered = {};
    bool is_good = false;  ///< the last attempt to read it succeeded
  };

  void start() {
    spawn(poll());
    if (notify_.is_open()) spawn(follow_events());
  }

  /// Sees to it that every file's directory is watched; one that is not there is tried again later. A watch
  /// that there is already stays the same.
  void watch() {
    if (!notify_.is_open()) return;
    constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
    std::set<std::string> directories;
    for (const auto& [id, file] : files_) directories.insert(directory_of(file.path));
    for (const std::string& directory : directories) {
      static_cast<void>(::inotify_add_watch(notify_.native_handle(), directory.c_str(), kEvents));
    }
  }

  asio::awaitable<void> follow_events() {
    alignas(inotify_event) std::array<char, 16384> events;
    for (;;) {
      error_code error;
      const size_t count = co_await notify_.async_read_some(asio::buffer(events),
                                                            asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return;
      std::set<std::string, std::less<>> names;
      for (size_t place = 0; place < count;) {
        const auto* const event = reinterpret_cast<const inotify_event*>(events.data() + place);
        if (event->len > 0) names.emplace(event->name);
        place += sizeof(inotify_event) + event->len;
      }
      for (auto& [id, file] : files_) {
        if (is_about(names, file) && look_at_file(file.path) != file.read) read(id, file, false);
      }
    }
  }

  /// Whether events with those names may be about a file: its own name, or another file's that a link to it
  /// leads by. A file that is only being written to is left alone until its writer closes it.
  static bool is_about(const std::set<std::string, std::less<>>& names, const File& file) {
    if (names.contains(std::string_view(file.path).substr(file.path.rfind('/') + 1))) return true;
    const FileSignature now = look_at_file(file.path);
    return now && file.read && !is_same_file(now, file.read);
  }

  asio::awaitable<void> poll() {
    for (;;) {
      error_code error;
      timer_.expires_after(kPoll);
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return;
      watch();
      for (auto& [id, file] : files_) poll(id, file);
    }
  }

  /// Changes of which no event came: a file system without events, a link further up, a full queue.
  void poll(SubscriptionId id, File& file) {
    const FileSignature now = look_at_file(file.path);
    const bool is_at_rest = now == std::exchange(file.looked, now);
    const bool is_due = std::chrono::steady_clock::now() - file.read_at >= resync_;
    if (is_at_rest && (now != file.read || is_due)) {
      read(id, file, true);
    } else if (now == file.read && file.is_good) {
      sink().confirm(id);
    }
  }

  void read(SubscriptionId id, File& file, bool was_missed) {
    file.read_at = std::chrono::steady_clock::now();
    auto content = read_followed_file(file.path, kLargestFile);
    file.read = content ? content->signature : look_at_file(file.path);
    file.is_good = false;
    if (!content) return sink().lost(id, content.error().message);
    auto snapshot = parse_file_sd(content->text);
    if (!snapshot) return sink().lost(id, file.path + ": " + snapshot.error().message);
    file.is_good = true;
    if (was_missed && file.delivered) snapshot->repaired = difference(*file.delivered, snapshot->instances);
    file.delivered = snapshot->instances;
    sink().deliver(id, std::move(*snapshot));
  }

  const std::chrono::milliseconds resync_;
  asio::posix::stream_descriptor notify_;
  asio::steady_timer timer_;
  bool is_running_ = false;
  std::map<SubscriptionId, File> files_;
};

}  // namespace

std::shared_ptr<Source> make_file_source(const SourceModel& model, SourceContext context) {
  return std::make_shared<FileSource>(model, context);
}

}  // namespace sluice::ctrl
