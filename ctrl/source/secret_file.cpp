#include "ctrl/source/secret_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "ctrl/net/faults.h"

namespace sluice::ctrl {
namespace {

constexpr size_t kMostBytes = 65536;

[[noreturn]] void fail_reading(const std::string& path, int error) {
  throw PeerFault("cannot read " + path + ": " + text_of_error(error));
}

}  // namespace

crypto::SecretText read_secret(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) fail_reading(path, errno);
  // One allocation, so that no part of the secret is left behind in another.
  std::string text(kMostBytes + 1, '\0');
  size_t size = 0;
  ssize_t got = 0;
  while (size < text.size() && (got = ::read(file, text.data() + size, text.size() - size)) > 0) {
    size += static_cast<size_t>(got);
  }
  const int error = errno;
  ::close(file);
  while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r' || text[size - 1] == ' ')) --size;
  text.resize(size);
  const bool is_line = std::ranges::all_of(text, [](char byte) { return byte >= ' ' && byte != 0x7f; });
  crypto::SecretText secret(std::move(text));
  if (got < 0) fail_reading(path, error);
  if (size == 0) throw PeerFault(path + " is empty");
  if (size > kMostBytes || !is_line) throw PeerFault(path + " is not one line of text");
  return secret;
}

}  // namespace sluice::ctrl
