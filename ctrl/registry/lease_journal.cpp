#include "ctrl/registry/lease_journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/descriptor.h"
#include "ctrl/net/faults.h"
#include "ctrl/registry/registry_json.h"
#include "ctrl/wire/bounded_json.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using Time = LeaseTable::Time;

constexpr size_t kLeastGrowth = size_t{1} << 20;
constexpr size_t kMostWaiting = size_t{1} << 20;
/// More than a full table can take, with all that is not yet compacted.
constexpr size_t kMostFile = size_t{2} << 30;

std::string file_in(const std::string& directory) {
  return directory + "/leases.jsonl";
}

std::string line_of(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string put_line(const ServiceInstance& instance, const std::string& lease, Time now, Time deadline,
                     uint64_t index) {
  return line_of({{"put", to_json(instance)},
                  {"ttl_ms", instance.ttl.count()},
                  {"lease", lease},
                  {"until", deadline.count()},
                  {"now", now.count()},
                  {"index", index}});
}

Result<std::string> read_whole(int file, const std::string& name) {
  std::string text;
  if (const int error = read_all(file, kMostFile, text); error != 0) {
    return fail(name + ": " + text_of_error(error));
  }
  if (text.size() > kMostFile) return fail(name + " is larger than 2 GiB");
  return text;
}

class JournalReader {
 public:
  explicit JournalReader(LeaseTable& table) : table_(table) {}

  void line(std::string_view text) {
    const auto object = parse_bounded_json(text);
    if (!object || !object->is_object() || !take(*object)) {
      ++reading_.unreadable;
      return;
    }
    if (const auto now = integer_in(member(*object, "now")); now && *now >= 0) {
      reading_.now = std::max(reading_.now, Time(*now));
    }
    if (const auto index = integer_in(member(*object, "index")); index && *index > 0) {
      reading_.index = std::max(reading_.index, static_cast<uint64_t>(*index));
    }
  }
  JournalReading take_reading() const { return reading_; }

 private:
  bool take(const json& object) {
    if (const json& put = member(object, "put"); !put.is_null()) return take_put(object, put);
    if (const json& gone = member(object, "gone"); !gone.is_null()) {
      table_.remove(
          {std::string(text_in(member(gone, "service"))), std::string(text_in(member(gone, "instance")))});
    }
    if (const std::string lease(text_in(member(object, "renewed"))); !lease.empty()) {
      const auto until = integer_in(member(object, "until"));
      if (!until || *until < 0) return false;
      table_.renew(lease, Time(*until));
    }
    return true;
  }
  bool take_put(const json& object, const json& put) {
    auto instance = service_instance_of(put);
    const auto ttl = integer_in(member(object, "ttl_ms"));
    const auto until = integer_in(member(object, "until"));
    std::string lease(text_in(member(object, "lease")));
    if (!instance || !ttl || *ttl <= 0 || !until || *until < 0 || lease.empty()) return false;
    instance->ttl = Time(*ttl);
    if (!table_.has_room(*instance)) return false;
    table_.put(std::make_shared<const ServiceInstance>(std::move(*instance)), std::move(lease), Time(*until));
    return true;
  }

  LeaseTable& table_;
  JournalReading reading_;
};

}  // namespace

JournalReading read_journal(std::string_view text, LeaseTable& table) {
  JournalReader reader(table);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) reader.line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return reader.take_reading();
}

LeaseJournal::LeaseJournal(std::string directory, int file, size_t bytes)
    : directory_(std::move(directory)), file_(file), bytes_(bytes), whole_bytes_(bytes) {}

LeaseJournal::LeaseJournal(LeaseJournal&& from) noexcept
    : directory_(std::move(from.directory_)),
      file_(std::exchange(from.file_, -1)),
      bytes_(from.bytes_),
      whole_bytes_(from.whole_bytes_) {}

LeaseJournal::~LeaseJournal() {
  if (file_ >= 0) ::close(file_);
}

Result<LeaseJournal> LeaseJournal::open(const std::string& directory, LeaseTable& table,
                                        JournalReading& reading) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail(directory + ": " + error.message());
  const std::string name = file_in(directory);
  const int file = ::open(name.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return fail(name + ": " + text_of_error(errno));
  LeaseJournal journal(directory, file, 0);
  auto text = read_whole(file, name);
  if (!text) return tl::unexpected(text.error());
  // What a crash has torn is not to spoil the line that follows it.
  const size_t whole = text->find_last_of('\n') + 1;
  if (whole != text->size() && ::ftruncate(file, static_cast<off_t>(whole)) != 0) {
    return fail(name + ": " + text_of_error(errno));
  }
  reading = read_journal(std::string_view(*text).substr(0, whole), table);
  journal.bytes_ = whole;
  return journal;
}

Result<void> LeaseJournal::append(std::string_view lines) {
  std::string text = std::exchange(waiting_, {});
  text += lines;
  if (text.empty()) return {};
  is_dirty_ = true;
  if (const int error = write_all(file_, text); error != 0) {
    if (::ftruncate(file_, static_cast<off_t>(bytes_)) != 0) return fail(text_of_error(errno));
    return fail(file_in(directory_) + ": " + text_of_error(error));
  }
  bytes_ += text.size();
  return {};
}

Result<void> LeaseJournal::put(const ServiceInstance& instance, const std::string& lease, Time now,
                               Time deadline, uint64_t index) {
  told_ = now;
  return append(put_line(instance, lease, now, deadline, index));
}

Result<void> LeaseJournal::remove(const InstanceKey& key, Time now, uint64_t index) {
  told_ = now;
  return append(line_of({{"gone", {{"service", key.service}, {"instance", key.instance}}},
                         {"now", now.count()},
                         {"index", index}}));
}

void LeaseJournal::renew(const std::string& lease, Time deadline) {
  // What does not fit costs a lease some of its time after a restart, no more.
  if (waiting_.size() < kMostWaiting) {
    waiting_ += line_of({{"renewed", lease}, {"until", deadline.count()}});
  }
}

Result<void> LeaseJournal::flush(Time now) {
  if (waiting_.empty() && now - told_ < std::chrono::seconds(1)) return {};
  told_ = now;
  return append(line_of({{"now", now.count()}}));
}

Result<void> LeaseJournal::sync() {
  if (!std::exchange(is_dirty_, false)) return {};
  if (::fdatasync(file_) != 0) return fail(file_in(directory_) + ": " + text_of_error(errno));
  return {};
}

Result<void> LeaseJournal::compact_if_grown(const LeaseTable& table, Time now) {
  if (bytes_ < kLeastGrowth || bytes_ / 4 < whole_bytes_) return {};
  const std::string name = file_in(directory_), draft = name + ".new";
  const int fresh =
      ::open(draft.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fresh < 0) return fail(draft + ": " + text_of_error(errno));
  LeaseJournal next(directory_, fresh, 0);
  next.waiting_ = line_of({{"now", now.count()}, {"index", table.index_of("")}});
  for (const LeaseTable::Lease& lease : table.leases()) {
    next.waiting_ += put_line(*lease.instance, lease.id, now, lease.deadline, 0);
    if (next.waiting_.size() < kMostWaiting) continue;
    if (auto written = next.append(""); !written) return written;
  }
  if (auto written = next.append(""); !written) return written;
  if (auto synced = next.sync(); !synced) return synced;
  if (::rename(draft.c_str(), name.c_str()) != 0) return fail(name + ": " + text_of_error(errno));
  std::swap(file_, next.file_);
  bytes_ = whole_bytes_ = next.bytes_;
  waiting_.clear();  // of what the new file knows already
  const Descriptor parent(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.is_open()) (void)::fsync(parent.number());
  return {};
}

}  // namespace sluice::ctrl
