#include "ctrl/tunnel/sequence_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <new>
#include <string_view>
#include <system_error>

#include "ledger/crc32c.h"

namespace sluice::ctrl {
namespace {

constexpr std::string_view kMagic = "sluice sequence numbers 1\n";
constexpr size_t kRecordsAtOnce = 256;
using BootId = std::array<char, 36>;

std::string text_of_error(int error) {
  return std::generic_category().message(error);
}

/// What the kernel calls the time since it was started.
BootId boot_id() {
  BootId id{};
  const int file = ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (file < 0) return id;
  const ssize_t size = ::read(file, id.data(), id.size());
  ::close(file);
  return size == static_cast<ssize_t>(id.size()) ? id : BootId{};
}

}  // namespace

/// Both take 64 bytes, so that none lies across two sectors.
struct SequenceFile::Header {
  std::array<char, 28> magic;
  BootId boot;
};
struct SequenceFile::Record {
  KeyId key;
  SequenceUse use;
  uint32_t crc;  ///< of `key` and `use`
  uint64_t reserved;
  std::atomic<uint64_t> highest;
  uint64_t is_closed;  ///< 1: `highest` is exact, whatever came after
  uint64_t used;       ///< of this run: as used() says
  uint64_t unused;

  uint32_t right_crc() const {
    return ledger::crc32c({reinterpret_cast<const uint8_t*>(this), offsetof(Record, crc)});
  }
};

namespace {
constexpr size_t kRecordBytes = 64;
}

Result<std::shared_ptr<SequenceFile>> SequenceFile::open(const std::string& directory) {
  static_assert(sizeof(Record) == kRecordBytes && sizeof(Header) == kRecordBytes);
  static_assert(std::atomic<uint64_t>::is_always_lock_free);
  const std::string path = directory + "/sequences";
  std::error_code error;
  if (std::filesystem::create_directories(directory, error)) ::chmod(directory.c_str(), 0700);
  if (error) return fail(directory + ": " + error.message());
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return fail(path + ": " + text_of_error(errno));
  std::shared_ptr<SequenceFile> made(new SequenceFile(file, path));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    return fail(path + (errno == EWOULDBLOCK ? " is used by another process" : ": " + text_of_error(errno)));
  }
  if (auto loaded = made->load(); !loaded) return tl::unexpected(loaded.error());
  return made;
}

SequenceFile::~SequenceFile() {
  if (mapped_ != nullptr) ::munmap(mapped_, (kMostRecords + 1) * kRecordBytes);
  ::close(file_);
}

SequenceFile::Header& SequenceFile::header() const {
  return *reinterpret_cast<Header*>(mapped_);
}

SequenceFile::Record& SequenceFile::at(size_t record) const {
  return *std::launder(reinterpret_cast<Record*>(mapped_ + (record + 1) * kRecordBytes));
}

Result<void> SequenceFile::load() {
  struct stat status {};
  if (::fstat(file_, &status) != 0) return fail(path_ + ": " + text_of_error(errno));
  // The whole range at once, so that records stay where they are while the file grows.
  void* const mapped =
      ::mmap(nullptr, (kMostRecords + 1) * kRecordBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
  if (mapped == MAP_FAILED) return fail(path_ + ": " + text_of_error(errno));
  mapped_ = static_cast<uint8_t*>(mapped);
  const auto size = static_cast<size_t>(status.st_size);
  const bool is_new = size == 0;
  if (!is_new) {
    if (size < kRecordBytes || size % kRecordBytes != 0 || size > (kMostRecords + 1) * kRecordBytes ||
        !std::equal(kMagic.begin(), kMagic.end(), header().magic.begin())) {
      return fail(path_ + " holds no sequence numbers");
    }
    capacity_ = size / kRecordBytes - 1;
    while (count_ < capacity_ && at(count_).use != SequenceUse{}) {
      if (at(count_).crc != at(count_).right_crc()) return fail(path_ + " is damaged");
      ++count_;
    }
  }
  const BootId boot = boot_id();
  is_same_boot_ = !is_new && boot != BootId{} && header().boot == boot;
  if (is_new) {
    if (auto grown = grow(kRecordsAtOnce); !grown) return grown;
    std::copy(kMagic.begin(), kMagic.end(), header().magic.begin());
  }
  for (size_t i = 0; i < count_; ++i) {
    Record& record = at(i);
    // Workers keep the highest that they accept up; of what is sent, ranges alone are certain.
    const bool is_exact = record.is_closed == 1 || (record.use == SequenceUse::kIn && is_same_boot_);
    record.used = is_exact ? record.highest.load() : std::max(record.highest.load(), record.reserved);
    record.highest = record.used;
    record.is_closed = 1;  // until it is in use again
  }
  header().boot = boot;
  return sync();
}

/// Blocks are there before they are written to: a full disk is an error here, and not the process's end.
Result<void> SequenceFile::grow(size_t records) {
  const size_t wanted = std::min(kMostRecords, records);
  const int error = ::posix_fallocate(file_, 0, static_cast<off_t>((wanted + 1) * kRecordBytes));
  if (error != 0) return fail(path_ + ": " + text_of_error(error));
  capacity_ = wanted;
  return {};
}

Result<size_t> SequenceFile::find(SequenceUse use, const KeyId& key) {
  for (size_t i = 0; i < count_; ++i) {
    if (at(i).use == use && at(i).key == key) return i;
  }
  if (count_ == kMostRecords) return fail(path_ + " is full");
  if (count_ == capacity_) {
    if (auto grown = grow(capacity_ + kRecordsAtOnce); !grown) return tl::unexpected(grown.error());
  }
  Record& record = *new (mapped_ + (count_ + 1) * kRecordBytes) Record{};
  record.key = key;
  record.use = use;
  record.crc = record.right_crc();
  record.is_closed = 1;
  return count_++;
}

uint64_t SequenceFile::used(size_t record) const {
  return at(record).used;
}

void SequenceFile::reserve(size_t record, uint64_t number) {
  at(record).reserved = number;
  at(record).is_closed = 0;
}

std::atomic<uint64_t>& SequenceFile::highest(size_t record) {
  return at(record).highest;
}

void SequenceFile::close(size_t record) {
  at(record).used = at(record).highest.load();
  at(record).is_closed = 1;
}

Result<void> SequenceFile::sync() {
  if (::fdatasync(file_) != 0) return fail(path_ + ": " + text_of_error(errno));
  return {};
}

}  // namespace sluice::ctrl
