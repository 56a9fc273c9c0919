#include "ctrl/store/history_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "crypto/encoding.h"
#include "crypto/sha256_openssl.h"
#include "ctrl/intent/whole_file.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using std::chrono::microseconds;
using std::chrono::system_clock;

constexpr size_t kMostFileBytes = size_t{256} << 20;  ///< of one file
constexpr std::string_view kSuffix = ".json";
constexpr int kDigits = 20;

std::string sha256_of(std::string_view text) {
  crypto::Sha256Stream stream;
  stream.update(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  return crypto::to_hex(stream.finish());
}

int64_t microseconds_of(system_clock::time_point time) {
  return std::chrono::duration_cast<microseconds>(time.time_since_epoch()).count();
}

system_clock::time_point time_of(int64_t since_1970) {
  return system_clock::time_point(
      std::chrono::duration_cast<system_clock::duration>(microseconds(since_1970)));
}

/// The first line of a file; the second is the configuration.
std::string head_of(const HistoryEntry& entry, std::string_view configuration) {
  json head = {{"generation", entry.generation},
               {"time_us", microseconds_of(entry.time)},
               {"author", entry.author},
               {"changed", entry.changed},
               {"confirmation", word_for(entry.confirmation)},
               {"sha256", sha256_of(configuration)}};
  if (entry.confirm_by) {
    head["confirm_by_us"] = microseconds_of(*entry.confirm_by);
    head["confirm_base"] = entry.confirm_base;
  }
  return head.dump(-1, ' ', false, json::error_handler_t::replace);
}

struct File {
  HistoryEntry entry;
  std::string_view configuration;
};

/// Nothing: it is not what was written.
std::optional<File> parse(std::string_view text) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos || !text.ends_with('\n') || end + 1 == text.size()) return std::nullopt;
  const std::string_view configuration = text.substr(end + 1, text.size() - end - 2);
  try {
    const json head = json::parse(text.substr(0, end));
    const auto confirmation = confirmation_of(head.at("confirmation").get_ref<const std::string&>());
    if (!confirmation || head.at("sha256") != sha256_of(configuration)) return std::nullopt;
    File file{{.generation = head.at("generation").get<uint64_t>(),
               .time = time_of(head.at("time_us").get<int64_t>()),
               .author = head.at("author").get<std::string>(),
               .sha256 = head.at("sha256").get<std::string>(),
               .changed = head.at("changed").get<std::vector<std::string>>(),
               .confirmation = *confirmation},
              configuration};
    if (head.contains("confirm_by_us")) {
      file.entry.confirm_by = time_of(head["confirm_by_us"].get<int64_t>());
      file.entry.confirm_base = head.at("confirm_base").get<uint64_t>();
    }
    return file;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

/// The generation that a file is of; nothing: it is none of ours.
std::optional<uint64_t> generation_of(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  name.remove_suffix(kSuffix.size());
  uint64_t generation = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), generation);
  const bool is_whole = error == std::errc() && end == name.data() + name.size();
  return is_whole && name.size() == kDigits ? std::optional(generation) : std::nullopt;
}

std::vector<uint64_t> generations_in(const std::string& directory) {
  std::vector<uint64_t> generations;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (const auto generation = generation_of(entry->path().filename().string())) {
      generations.push_back(*generation);
    }
  }
  std::ranges::sort(generations);
  return generations;
}

}  // namespace

HistoryStore::~HistoryStore() {
  if (lock_ >= 0) close(lock_);
}

HistoryStore::HistoryStore(HistoryStore&& other) noexcept
    : directory_(std::move(other.directory_)), lock_(std::exchange(other.lock_, -1)) {}

HistoryStore& HistoryStore::operator=(HistoryStore&& other) noexcept {
  std::swap(directory_, other.directory_);
  std::swap(lock_, other.lock_);
  return *this;
}

Result<HistoryStore> HistoryStore::open(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(directory).parent_path(), error);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(directory + ": " + std::generic_category().message(errno));
  }
  HistoryStore store;
  store.directory_ = directory;
  const std::string lock = directory + "/lock";
  store.lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (store.lock_ < 0) return fail(lock + ": " + std::generic_category().message(errno));
  if (flock(store.lock_, LOCK_EX | LOCK_NB) != 0)
    return fail(lock + ": another gateway keeps its history here");
  return store;
}

std::string HistoryStore::file_of(uint64_t generation) const {
  char name[kDigits + 1];
  std::snprintf(name, sizeof name, "%020llu", static_cast<unsigned long long>(generation));
  return directory_ + "/" + name + std::string(kSuffix);
}

HistoryStore::Found HistoryStore::read() const {
  Found found;
  if (!is_open()) return found;
  for (const uint64_t generation : generations_in(directory_)) {
    found.last = generation;
    const auto text = read_whole_file(file_of(generation), kMostFileBytes);
    auto file = text ? parse(*text) : std::nullopt;
    if (file && file->entry.generation == generation) {
      found.entries.push_back(std::move(file->entry));
    } else {
      found.unreadable.push_back(text ? file_of(generation) + ": is torn" : text.error().message);
    }
  }
  return found;
}

Result<json> HistoryStore::configuration(uint64_t generation) const {
  const auto text = read_whole_file(file_of(generation), kMostFileBytes);
  if (!text) return tl::unexpected(text.error());
  const auto file = parse(*text);
  if (!file) return fail(file_of(generation) + ": is torn");
  json configuration = json::parse(file->configuration, nullptr, false);
  if (configuration.is_discarded()) return fail(file_of(generation) + ": is torn");
  return configuration;
}

Result<void> HistoryStore::write(const HistoryEntry& entry, const std::string& configuration) {
  return replace_file(file_of(entry.generation), head_of(entry, configuration) + "\n" + configuration + "\n",
                      0600);
}

void HistoryStore::forget_before(uint64_t first) {
  for (const uint64_t generation : generations_in(directory_)) {
    if (generation < first) unlink(file_of(generation).c_str());
  }
}

}  // namespace sluice::ctrl
