// A file descriptor that is closed with its owner; reading and writing whole files. For threads that may
// wait.
#pragma once

#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

namespace sluice {

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& from) noexcept : number_(std::exchange(from.number_, -1)) {}
  Descriptor& operator=(Descriptor&& from) noexcept {
    std::swap(number_, from.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);  // leaves errno as it is where that succeeds
  }

  bool is_open() const { return number_ >= 0; }
  int number() const { return number_; }
  /// To be closed by somebody else.
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

/// All of `text`, however many calls that takes: 0, or errno.
inline int write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

/// Appends what is left of a file to `text`, until that has more than `most` bytes: 0, or errno.
inline int read_all(int descriptor, size_t most, std::string& text) {
  for (std::array<char, 65536> piece; text.size() <= most;) {
    const ssize_t bytes = ::read(descriptor, piece.data(), piece.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return errno;
    if (bytes == 0) break;
    text.append(piece.data(), static_cast<size_t>(bytes));
  }
  return 0;
}

}  // namespace sluice
