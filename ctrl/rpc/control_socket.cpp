#include "ctrl/rpc/control_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace sluice::ctrl {
namespace {

tl::unexpected<Error> failed(const std::string& what, const std::string& path) {
  return fail("control socket: cannot " + what + " " + path + ": " + std::strerror(errno));
}

bool is_at(int descriptor, const std::string& path) {
  struct stat open_file, named_file;
  return ::fstat(descriptor, &open_file) == 0 && ::stat(path.c_str(), &named_file) == 0 &&
         open_file.st_dev == named_file.st_dev && open_file.st_ino == named_file.st_ino;
}

std::string holder(int lock) {
  std::array<char, 32> text{};
  const ssize_t length = ::pread(lock, text.data(), text.size() - 1, 0);
  return length > 0 ? "process " + std::string(text.data()) : "another process";
}

/// The lock file, locked and with our process id in it.
Result<int> take_lock(const std::string& path) {
  for (;;) {
    const int lock = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0) return failed("open", path);
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
      const std::string who = holder(lock);
      ::close(lock);
      return fail("control socket: " + who + " holds " + path +
                  "; stop it or set control.socket to another path");
    }
    if (is_at(lock, path)) {
      const std::string pid = std::to_string(::getpid());
      if (::ftruncate(lock, 0) == 0 && ::pwrite(lock, pid.data(), pid.size(), 0) >= 0) return lock;
      ::close(lock);
      return failed("write", path);
    }
    ::close(lock);  // its owner removed it between our open() and flock(): there may be a new one
  }
}

Result<void> clear_stale(const std::string& path) {
  struct stat found;
  if (::lstat(path.c_str(), &found) != 0) return {};
  if (!S_ISSOCK(found.st_mode)) {
    return fail("control socket: " + path + " exists and is no socket; remove it or choose another path");
  }
  if (::unlink(path.c_str()) != 0) return failed("remove the stale", path);
  return {};
}

}  // namespace

Result<ControlSocket> ControlSocket::open(const std::string& path, unsigned mode) {
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail("control socket: the path has more than " +
                std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes: " + path);
  }
  const auto directory = std::filesystem::path(path).parent_path();
  if (!directory.empty() && ::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
    return failed("create the directory", directory.string());
  }
  const auto lock = take_lock(path + ".lock");
  if (!lock) return tl::unexpected(lock.error());
  ControlSocket socket(path, *lock);
  if (auto bound = socket.bind(mode); !bound) return tl::unexpected(bound.error());
  return socket;
}

Result<void> ControlSocket::bind(unsigned mode) {
  if (auto cleared = clear_stale(path_); !cleared) return cleared;
  descriptor_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor_ < 0) return failed("create", path_);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  const mode_t mask = ::umask(0177);  // nobody else connects before the mode is set
  const int result = ::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::umask(mask);
  if (result != 0) return failed("bind", path_);
  bound_ = true;
  if (::chmod(path_.c_str(), mode) != 0) return failed("set the mode of", path_);
  struct stat found;
  if (::stat(path_.c_str(), &found) != 0) return failed("look at", path_);
  group_ = found.st_gid;
  if (::listen(descriptor_, SOMAXCONN) != 0) return failed("listen on", path_);
  return {};
}

ControlSocket::ControlSocket(ControlSocket&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      group_(other.group_),
      bound_(std::exchange(other.bound_, false)) {}

ControlSocket::~ControlSocket() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (bound_) ::unlink(path_.c_str());
  if (lock_ < 0) return;
  ::unlink((path_ + ".lock").c_str());  // while still locked: whoever opened it finds out by its inode
  ::close(lock_);
}

int ControlSocket::release_descriptor() {
  return std::exchange(descriptor_, -1);
}

}  // namespace sluice::ctrl
