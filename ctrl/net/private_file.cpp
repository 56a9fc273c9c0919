#include "ctrl/net/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "common/descriptor.h"
#include "ctrl/net/faults.h"

namespace sluice::ctrl {
namespace {

constexpr size_t kMostBytes = 65536;
constexpr std::string_view kCredential = "credential:";

std::string credentials_directory() {
  const char* const directory = std::getenv("CREDENTIALS_DIRECTORY");
  return directory != nullptr ? directory : "";
}

bool is_credential(const std::string& path) {
  const std::string directory = credentials_directory();
  return !directory.empty() && path.starts_with(directory + "/");
}

bool may_be_read_by_others(const struct stat& file, const std::string& path) {
  if ((file.st_mode & S_IRWXO) != 0) return true;
  const bool is_handed_over = is_credential(path) || (file.st_uid == 0 && ::geteuid() != 0);
  const mode_t of_group = file.st_mode & S_IRWXG;
  return of_group != 0 && !(is_handed_over && of_group == S_IRGRP);
}

}  // namespace

std::string private_path(const std::string& reference) {
  if (!reference.starts_with(kCredential)) return reference;
  return credentials_directory() + "/" + reference.substr(kCredential.size());
}

Result<PrivateFile> read_private_file(const std::string& reference) {
  const auto refuse = [&](const std::string& why) { return fail(reference + ": " + why); };
  if (reference.starts_with(kCredential) && credentials_directory().empty()) {
    return refuse("this process was given no credentials ($CREDENTIALS_DIRECTORY is not set)");
  }
  const std::string path = private_path(reference);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return refuse(text_of_error(errno));
  struct stat status {};
  const bool is_open = ::fstat(file.number(), &status) != 0 || may_be_read_by_others(status, path);
  // One allocation, so that no part of the secret is left behind in another.
  crypto::SecretText text(kMostBytes + 1);
  const std::span<char> room = text.room();
  size_t size = 0;
  ssize_t got = 0;
  while (size < room.size() && (got = ::read(file.number(), room.data() + size, room.size() - size)) > 0) {
    size += static_cast<size_t>(got);
  }
  if (got < 0) return refuse(text_of_error(errno));
  if (size > kMostBytes) return refuse("has more than 64 KiB");
  text.cut(size);
  return PrivateFile{std::move(text), is_open};
}

Error open_to_others(const std::string& reference) {
  return {reference + " is open to others than its owner: chmod 600 " + private_path(reference)};
}

}  // namespace sluice::ctrl
