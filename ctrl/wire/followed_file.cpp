#include "ctrl/wire/followed_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/descriptor.h"

namespace sluice::ctrl {
namespace {

FileSignature signature_of(const struct stat& status) {
  return std::tuple(status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                    status.st_mtim.tv_nsec);
}

}  // namespace

FileSignature look_at_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return signature_of(status);
}

bool is_same_file(const FileSignature& a, const FileSignature& b) {
  const auto inode = [](const FileSignature& of) { return std::tie(std::get<0>(*of), std::get<1>(*of)); };
  return a && b && inode(a) == inode(b);
}

Result<FollowedFile> read_followed_file(const std::string& path, size_t largest) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return fail(path + ": " + std::strerror(errno));
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) return fail(path + ": " + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return fail(path + ": is no file");
  FollowedFile whole{"", signature_of(status)};
  const int error = read_all(file.number(), largest, whole.text);
  if (error != 0) return fail(path + ": " + std::strerror(error));
  if (whole.text.size() <= largest) return whole;
  return fail(path + ": is larger than " + std::to_string(largest >> 20) + " MiB");
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace sluice::ctrl
