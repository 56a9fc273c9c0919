#include "ledger/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "ledger/file_system.h"

namespace sluice::ledger {
namespace {

std::string text_of(int file) {
  char text[32];
  const ssize_t size = ::pread(file, text, sizeof text, 0);
  return {text, size > 0 ? static_cast<size_t>(size) : 0};
}

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Who holds the flock(2) of a file, as the kernel lists it (proc_locks(5)); 0: nobody that can be seen.
int holder_by_kernel(const struct stat& status) {
  std::FILE* const locks = std::fopen("/proc/locks", "re");
  if (locks == nullptr) return 0;
  char line[256], kind[16];
  int holder = 0;
  while (std::fgets(line, sizeof line, locks) != nullptr) {
    int process = 0;
    unsigned device_major = 0, device_minor = 0;
    uint64_t inode = 0;
    if (std::sscanf(line, "%*s %15s %*s %*s %d %x:%x:%" SCNu64, kind, &process, &device_major, &device_minor,
                    &inode) != 5)
      continue;
    if (std::string(kind) == "FLOCK" && inode == status.st_ino && device_major == major(status.st_dev) &&
        device_minor == minor(status.st_dev))
      holder = process;
  }
  std::fclose(locks);
  return holder;
}

bool is_same(const struct stat& one, const struct stat& other) {
  return one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

/// Writes over what is there before it cuts, so that this needs no room where there was something.
bool write_text(int file, const std::string& text) {
  return ::pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()) &&
         ::ftruncate(file, static_cast<off_t>(text.size())) == 0;
}

}  // namespace

Result<DirectoryLock> DirectoryLock::take(const std::string& directory) {
  DirectoryLock lock;
  lock.path_ = directory;
  lock.directory_ = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock.directory_ < 0) return tl::unexpected(system_error("cannot open", directory, -errno));
  if (::flock(lock.directory_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return tl::unexpected(system_error("cannot lock", directory, -errno));
    return fail("the ledger in " + directory + " is held by " + lock.holder());
  }
  if (auto taken = lock.take_file(); !taken) return tl::unexpected(taken.error());
  return lock;
}

/// The file too: a Sluice of before locks nothing else.
Result<void> DirectoryLock::take_file() {
  const std::string path = path_ + "/lock";
  const int file = ::openat(directory_, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (file < 0) return tl::unexpected(system_error("cannot open", path, -errno));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(file);
    if (error != EWOULDBLOCK) return tl::unexpected(system_error("cannot lock", path, -error));
    return fail("the ledger in " + path_ + " is held by " + holder());
  }
  if (file_ >= 0) ::close(file_);
  file_ = file;
  is_clean_ = text_of(file) == kLeftWhole;
  if (!write_text(file, std::to_string(::getpid()) + "\n")) {
    // A full disk is no reason to leave: the lock holds, it only does not say who has it.
    if ((errno != ENOSPC && errno != EDQUOT) || ::ftruncate(file, 0) != 0)
      return tl::unexpected(system_error("cannot write", path, -errno));
  }
  return {};
}

/// `process N`, by the file, which holds the number, or by the kernel where that was removed.
std::string DirectoryLock::holder() const {
  std::string number;
  if (const int file = ::openat(directory_, "lock", O_RDONLY | O_CLOEXEC); file >= 0) {
    number = text_of(file);
    ::close(file);
  }
  while (!number.empty() && number.back() == '\n') number.pop_back();
  struct stat status;
  if (!is_number(number) && ::fstat(directory_, &status) == 0) {
    const int holder = holder_by_kernel(status);
    number = holder > 0 ? std::to_string(holder) : "";
  }
  return is_number(number) ? "process " + number : "another process";
}

Result<void> DirectoryLock::check() {
  struct stat own, there;
  if (::fstat(directory_, &own) != 0 || ::stat(path_.c_str(), &there) != 0 || !is_same(own, there))
    return fail(path_ + " is no longer the directory that this process has locked");
  if (::fstat(file_, &own) == 0 && ::fstatat(directory_, "lock", &there, 0) == 0 && is_same(own, there))
    return {};
  auto taken = take_file();
  is_clean_ = false;
  return taken;
}

DirectoryLock::DirectoryLock(DirectoryLock&& from) noexcept {
  *this = std::move(from);
}

DirectoryLock& DirectoryLock::operator=(DirectoryLock&& from) noexcept {
  std::swap(path_, from.path_);
  std::swap(directory_, from.directory_);
  std::swap(file_, from.file_);
  std::swap(is_clean_, from.is_clean_);
  return *this;
}

DirectoryLock::~DirectoryLock() {
  if (file_ >= 0) {
    if (is_clean_) (void)write_text(file_, kLeftWhole);
    ::close(file_);
  }
  if (directory_ >= 0) ::close(directory_);
}

}  // namespace sluice::ledger
