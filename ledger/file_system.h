// The system calls of the ledger's files, as an interface: tests put failing disks behind it. Any thread;
// descriptors belong to whoever opened them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"

namespace sluice::ledger {

/// Results below zero are -errno, as in the kernel. Interrupted and short transfers are continued inside.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// The descriptor of `path`, opened with O_CLOEXEC and mode 0640 where it is created.
  virtual int open(const std::string& path, int flags) = 0;
  virtual void close(int file) = 0;
  /// Writes all of `data`, or fails.
  virtual int write(int file, std::span<const uint8_t> data, uint64_t offset) = 0;
  /// The bytes read: fewer than asked for only at the end of the file.
  virtual int64_t read(int file, std::span<uint8_t> data, uint64_t offset) = 0;
  /// Reserves room, so that writes to it cannot find the disk full; the file grows with zeros.
  virtual int allocate(int file, uint64_t offset, uint64_t size) = 0;
  virtual int truncate(int file, uint64_t size) = 0;
  virtual int64_t size(int file) = 0;
  /// The first byte from `offset` on that may be other than zero (SEEK_DATA): the size where there is none.
  /// Where the file system cannot tell, `offset`.
  virtual uint64_t data_from(int /*file*/, uint64_t offset) { return offset; }
  /// fdatasync(2): data, and the metadata needed to read it, are on stable storage.
  virtual int sync_data(int file) = 0;
  /// fsync(2), for directories and for a size that was cut.
  virtual int sync(int file) = 0;
  virtual int rename(const std::string& from, const std::string& to) = 0;
  virtual int make_directory(const std::string& path) = 0;
  /// The names in a directory, sorted, without `.` and `..`.
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
};

/// The real one. Tests override a call of it.
class PosixFileSystem : public FileSystem {
 public:
  int open(const std::string& path, int flags) override;
  void close(int file) override;
  int write(int file, std::span<const uint8_t> data, uint64_t offset) override;
  int64_t read(int file, std::span<uint8_t> data, uint64_t offset) override;
  int allocate(int file, uint64_t offset, uint64_t size) override;
  int truncate(int file, uint64_t size) override;
  int64_t size(int file) override;
  uint64_t data_from(int file, uint64_t offset) override;
  int sync_data(int file) override;
  int sync(int file) override;
  int rename(const std::string& from, const std::string& to) override;
  int make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
};

/// An open file that closes itself. Movable.
class File {
 public:
  File() = default;
  File(FileSystem& files, int descriptor) : files_(&files), descriptor_(descriptor) {}
  File(File&& from) noexcept;
  File& operator=(File&& from) noexcept;
  ~File() { reset(); }

  /// Opens, or fails with the path and the system's reason.
  static Result<File> open(FileSystem& files, const std::string& path, int flags);

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  int write(std::span<const uint8_t> data, uint64_t offset) const {
    return files_->write(descriptor_, data, offset);
  }
  int64_t read(std::span<uint8_t> data, uint64_t offset) const {
    return files_->read(descriptor_, data, offset);
  }
  int64_t size() const { return files_->size(descriptor_); }
  uint64_t data_from(uint64_t offset) const { return files_->data_from(descriptor_, offset); }
  void reset();

 private:
  FileSystem* files_ = nullptr;
  int descriptor_ = -1;
};

/// `<what> <path>: <the system's reason>`.
Error system_error(const char* what, const std::string& path, int64_t negative_errno);

/// The whole of a small file (at most `most` bytes).
Result<std::string> read_file(FileSystem& files, const std::string& path, size_t most);

/// Puts `text` into `directory`/`name` at once and durably: written beside it, synced, renamed, the directory
/// synced. Below zero: -errno.
int replace_file(FileSystem& files, const std::string& directory, const std::string& name,
                 std::string_view text);

}  // namespace sluice::ledger
