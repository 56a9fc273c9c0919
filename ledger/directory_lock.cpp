#include "ledger/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "ledger/file_system.h"

namespace sluice::ledger {
namespace {

std::string holder_of(int file) {
  char text[32];
  const ssize_t size = ::pread(file, text, sizeof text, 0);
  std::string holder(text, size > 0 ? static_cast<size_t>(size) : 0);
  while (!holder.empty() && holder.back() == '\n') holder.pop_back();
  return holder.empty() ? "another process" : "process " + holder;
}

}  // namespace

Result<DirectoryLock> DirectoryLock::take(const std::string& directory) {
  const std::string path = directory + "/lock";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (file < 0) return tl::unexpected(system_error("cannot open", path, -errno));
  DirectoryLock lock(file);
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return tl::unexpected(system_error("cannot lock", path, -errno));
    return fail("the ledger in " + directory + " is held by " + holder_of(file));
  }
  const std::string own = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, own.data(), own.size(), 0) < 0) {
    // A full disk is no reason to leave: the lock holds, it only does not say who has it.
    if (errno != ENOSPC && errno != EDQUOT) return tl::unexpected(system_error("cannot write", path, -errno));
  }
  return lock;
}

DirectoryLock::DirectoryLock(DirectoryLock&& from) noexcept : file_(std::exchange(from.file_, -1)) {}

DirectoryLock& DirectoryLock::operator=(DirectoryLock&& from) noexcept {
  std::swap(file_, from.file_);
  return *this;
}

DirectoryLock::~DirectoryLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace sluice::ledger
